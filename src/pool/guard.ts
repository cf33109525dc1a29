import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";

import { messageOf, newelError } from "../base/errors.ts";
import { monotonicMs } from "../base/globals.ts";

/**
 * Every process that a worker starts inherits this variable, even one that leaves the worker's
 * group.
 */
export const MARK_VARIABLE = "NEWEL_POOL_MARK";

/** A guard that exits sooner than this is not restarted without end. */
const PROVED_MS = 1_000;
const MAX_FAILURES = 5;
/**
 * Milliseconds that a closing pool waits for its guard: all processes that can be killed are dead
 * long before.
 */
const CLOSE_MS = 2_000;

/**
 * Gets a mark and groups, then reads `+ GROUP` and `- GROUP MARK`. The end of its input means that
 * no pool is left to end the remaining groups, so the guard ends them; processes that had left
 * their group are found by the mark. A process that starts others during the search is found in the
 * next round.
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
 * A small process next to the pool, in a separate session, that survives any death of this program:
 * the kernel ends the workers with their parent, but not the processes that they started.
 */
export class Guard {
  readonly #pool: string;
  readonly #shell: string;
  readonly #onMissing: (error: Error) => void;
  readonly #mark = randomBytes(8).toString("hex");
  /** The present groups, with the mark of each. */
  readonly #groups = new Map<number, string>();
  #child: ChildProcess | undefined;
  #startedMs = 0;
  #failures = 0;
  #isClosing = false;

  /** @param onMissing - called once when no guard can run */
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

  /**
   * The mark for the environment of one worker; all marks have the same length, so that none is a
   * prefix of another.
   */
  newMark(): string {
    return `${this.#mark}.${randomBytes(8).toString("hex")}`;
  }

  add(group: number, mark: string): void {
    this.#groups.set(group, mark);
    this.#say(`+ ${group}\n`);
  }

  /**
   * The group was killed: its number may be reused from now on. Processes that had left it are
   * still to be ended.
   */
  remove(group: number): void {
    const mark = this.#groups.get(group);
    if (mark === undefined) return;
    this.#groups.delete(group);
    // One last search finds all of them.
    this.#say(this.#isClosing ? `- ${group}\n` : `- ${group} ${mark}\n`);
  }

  /** All workers are about to end. */
  closing(): void {
    this.#isClosing = true;
  }

  /** Resolves when neither processes of the workers nor the guard are left. */
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
    this.#startedMs = monotonicMs();
    // No variable of this program's environment: in particular not the marks by which the program
    // itself may be ended.
    const path = [process.env["PATH"], "/usr/bin", "/bin"].filter(Boolean).join(":");
    // A short line for process lists.
    // The present groups are passed at start: this program may be killed before it can write a
    // line.
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
    // The exit event reports a guard that is gone.
    child.stdin?.on("error", () => undefined);
    // Only the pool keeps the program alive.
    const { Socket } = process.getBuiltinModule("node:net");
    if (child.stdin instanceof Socket) child.stdin.unref();
  }

  #say(line: string): void {
    this.#child?.stdin?.write(line);
  }

  #ended(child: ChildProcess, why: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    const isProved = monotonicMs() - this.#startedMs > PROVED_MS;
    this.#failures = isProved ? 0 : this.#failures + 1;
    if (child.pid !== undefined && this.#failures < MAX_FAILURES) this.#start();
    else this.#onMissing(newelError("NEWEL_E_POOL_GUARD", { pool: this.#pool, why }));
  }
}
