import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Socket } from "node:net";

import { messageOf, newelError } from "../base/errors.ts";

/** Every process that a worker starts inherits it, also one that leaves the worker's group. */
export const MARK_VARIABLE = "NEWEL_POOL_MARK";

/** A guard that does not live so long is not started again for ever. */
const PROVED_MS = 1_000;
const MAX_FAILURES = 5;
/** How long a closed pool waits for its guard: what can be killed is dead long before. */
const CLOSE_MS = 2_000;

/**
 * Is given a mark and groups, then reads `+ GROUP` and `- GROUP MARK`. At the end of its input nobody
 * is left to end the groups that are, so it does that; what had left its group is found by its mark.
 * A process that starts others while it is looked for is met in the next round.
 */
const PROGRAM = `
trap '' HUP INT QUIT TERM
cd /
all=$1
shift
groups=" $* "
sweep() {
  rounds=0
  while [ "$rounds" -lt 50 ]; do
    rounds=$((rounds + 1))
    found=$(grep -lsF "${MARK_VARIABLE}=$1" /proc/[0-9]*/environ)
    [ -n "$found" ] || return 0
    for file in $found; do
      pid=\${file#/proc/}
      kill -s KILL "\${pid%/environ}"
    done
  done
}
while read -r verb group mark; do
  case "$verb$groups" in
  +*) groups="$groups$group " ;;
  -*" $group "*)
    groups="\${groups%% $group *} \${groups#* $group }"
    [ -z "$mark" ] || sweep "$mark" &
    ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
sweep "$all"
wait
`;

/**
 * A small process beside the pool, in a session of its own, that outlives this program however it
 * dies: the kernel ends the workers with their parent, but not what they started.
 */
export class Guard {
  readonly #pool: string;
  readonly #shell: string;
  readonly #onMissing: (error: Error) => void;
  readonly #mark = randomBytes(8).toString("hex");
  /** The groups there are, with the mark of each. */
  readonly #groups = new Map<number, string>();
  #child: ChildProcess | undefined;
  #startedMs = 0;
  #failures = 0;
  #isClosing = false;

  /** @param onMissing - called once when there can be no guard */
  constructor(pool: string, onMissing: (error: Error) => void, shell = "/bin/sh") {
    this.#pool = pool;
    this.#onMissing = onMissing;
    this.#shell = shell;
    this.#start();
  }

  /** 0 while there is none. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** For the environment of one worker; as long as any other, so that none is the beginning of another. */
  newMark(): string {
    return `${this.#mark}.${randomBytes(8).toString("hex")}`;
  }

  add(group: number, mark: string): void {
    this.#groups.set(group, mark);
    this.#say(`+ ${group}\n`);
  }

  /** The group was killed: its number may be another's from now on. What had left it is still to be ended. */
  remove(group: number): void {
    const mark = this.#groups.get(group);
    if (mark === undefined) return;
    this.#groups.delete(group);
    // One last look finds all there is.
    this.#say(this.#isClosing ? `- ${group}\n` : `- ${group} ${mark}\n`);
  }

  /** All workers are about to end. */
  closing(): void {
    this.#isClosing = true;
  }

  /** Resolves when nothing is left of the workers, nor of the guard. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    const gone = once(child, "exit", { signal: AbortSignal.timeout(CLOSE_MS) });
    child.stdin?.end();
    await gone.catch((error: unknown) => {
      this.#onMissing(
        newelError("NEWEL_E_POOL_GUARD", { pool: this.#pool, why: messageOf(error) }),
      );
    });
  }

  #start(): void {
    this.#startedMs = performance.now();
    // Nothing of this program's environment: least of all the marks by which itself may be ended.
    const path = [process.env["PATH"], "/usr/bin", "/bin"].filter(Boolean).join(":");
    // So that lists of processes have a short line for it.
    // The groups there are come with it: this program may be killed before it can say a line.
    const groups = [...this.#groups.keys()].map(String);
    const args = ["-c", 'eval "$PROGRAM"', "newel-pool-guard", this.#mark, ...groups];
    const child = spawn(this.#shell, args, {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
      env: { PATH: path, PROGRAM },
    });
    this.#child = child;
    child.unref();
    child.once("error", (error) => this.#ended(child, messageOf(error)));
    child.once("exit", (code, signal) =>
      this.#ended(child, `it ended with ${signal ?? `code ${code}`}`),
    );
    // A guard that is gone is seen by its exit.
    child.stdin?.on("error", () => undefined);
    // The pool alone keeps the program going.
    if (child.stdin instanceof Socket) child.stdin.unref();
  }

  #say(line: string): void {
    this.#child?.stdin?.write(line);
  }

  #ended(child: ChildProcess, why: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    const isProved = performance.now() - this.#startedMs > PROVED_MS;
    this.#failures = isProved ? 0 : this.#failures + 1;
    if (child.pid !== undefined && this.#failures < MAX_FAILURES) this.#start();
    else this.#onMissing(newelError("NEWEL_E_POOL_GUARD", { pool: this.#pool, why }));
  }
}
