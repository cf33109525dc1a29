import { closeSync } from "node:fs";
import { constants } from "node:os";

import { newelError } from "../base/errors.ts";
import { isErrno } from "../posix/libc.ts";
import { openPidfd, signalPidfd } from "../posix/process.ts";
import type { ProcessId } from "./process-api.ts";
import type { ProcessRecord } from "./journal-records.ts";
import { isLiving, look, readArguments, readVariable, scanProcesses, type Seen } from "./proc.ts";

const MARK = "NEWEL_MARK";

/** A process the kernel made, alive or ended, with the facts that bind its descendants to it. */
export interface Root {
  readonly running: boolean;
  /** When this kernel saw it end, in clock ticks since the boot. */
  readonly endedTicks?: number | undefined;
  readonly record: Pick<ProcessRecord, "id" | "startTicks" | "mark"> & {
    readonly info: { readonly pid: number };
  };
}

/** The newest signal that was sent to exactly one process, and when, by performance.now(). */
export interface Asked {
  readonly signal: number;
  readonly atMs: number;
}

/** One process; its start time distinguishes it from a later process with the same pid. */
interface Known {
  readonly startTicks: number;
  /** The id of the record that the process belongs to. */
  readonly id: string;
  asked?: Asked;
}

/**
 * Finds the living descendants of every process the kernel made, in one pass over /proc. A process belongs to
 * the nearest of these: itself, if the kernel made it; the tree it was found in before; the mark in its
 * environment; the session or group of a made process; its parent.
 */
export class Descendants {
  readonly #roots: () => Iterable<Root>;
  /** Processes that were found before: they stay descendants when their parents are gone. */
  readonly #known = new Map<number, Known>();
  /** The mark of an environment, which rarely changes in the life of a process. */
  readonly #marks = new Map<number, { startTicks: number; mark: string | undefined }>();

  constructor(roots: () => Iterable<Root>) {
    this.#roots = roots;
  }

  /** The living processes of each tree, by record id; ancestors come before descendants. */
  find(): ReadonlyMap<string, readonly Seen[]> {
    const all = scanProcesses();
    const byPid = new Map(all.map((seen) => [seen.pid, seen]));
    this.#prune(byPid);
    const owners = new Map<number, string | undefined>();
    const index = this.#index(byPid);
    const trees = new Map<string, Seen[]>();
    const visit = (seen: Seen): string | undefined => {
      if (owners.has(seen.pid)) return owners.get(seen.pid);
      // Breaks a cycle, which a pid reused during the pass could make.
      owners.set(seen.pid, undefined);
      const parent = byPid.get(seen.parent);
      const inherited = parent === undefined ? undefined : visit(parent);
      const id = this.#bound(seen, index) ?? this.#inherit(seen, inherited);
      owners.set(seen.pid, id);
      if (id === undefined) return undefined;
      const known = this.#known.get(seen.pid);
      if (known === undefined) this.#known.set(seen.pid, { startTicks: seen.startTicks, id });
      const tree = trees.get(id);
      if (tree === undefined) trees.set(id, [seen]);
      else tree.push(seen);
      return id;
    };
    for (const seen of all) visit(seen);
    return trees;
  }

  /**
   * The present state of these processes, if all of them were found in the tree before; otherwise
   * `undefined`, because only {@link find} can decide. A process that has ended is left out.
   */
  recall(id: string, ids: readonly ProcessId[]): readonly Seen[] | undefined {
    const found: Seen[] = [];
    for (const { pid, startTicks } of ids) {
      const seen = look(pid);
      if (seen?.startTicks !== startTicks || !isLiving(seen)) continue;
      const known = this.#known.get(pid);
      if (known?.startTicks !== startTicks || known.id !== id) return undefined;
      found.push(seen);
    }
    return found;
  }

  /** The newest signal sent to exactly this process through {@link signal}. */
  asked({ pid, startTicks }: Pick<Seen, "pid" | "startTicks">): Asked | undefined {
    const known = this.#known.get(pid);
    return known?.startTicks === startTicks ? known.asked : undefined;
  }

  /** Sends a signal to exactly this process; returns `false` when it is gone or may not be signalled. */
  signal(seen: Seen, signal: number): boolean {
    const known = this.#known.get(seen.pid);
    const sent = signalSeen(seen, signal);
    // SIGCONT only lets a stopped process receive the signal that it was sent before.
    const asks = signal !== 0 && signal !== constants.signals.SIGCONT;
    if (sent && asks && known?.startTicks === seen.startTicks)
      known.asked = { signal, atMs: performance.now() };
    return sent;
  }

  #index(byPid: ReadonlyMap<number, Seen>): RootIndex {
    const [living, marks] = [new Map<number, Root>(), new Map<string, string>()];
    const leaders = new Map<number, Root[]>();
    for (const root of this.#roots()) {
      const { pid } = root.record.info;
      if (root.record.mark !== undefined) marks.set(root.record.mark, root.record.id);
      const alive = root.running && byPid.get(pid)?.startTicks === root.record.startTicks;
      if (alive) living.set(pid, root);
      if (alive || root.endedTicks !== undefined)
        leaders.set(pid, [...(leaders.get(pid) ?? []), root]);
    }
    return { living, leaders, marks };
  }

  #bound(seen: Seen, { living, leaders, marks }: RootIndex): string | undefined {
    const own = living.get(seen.pid);
    if (own !== undefined) return own.record.id;
    const known = this.#known.get(seen.pid);
    if (known !== undefined) return known.id;
    const mark = marks.size === 0 ? undefined : this.#mark(seen);
    const marked = mark === undefined ? undefined : marks.get(mark);
    if (marked !== undefined) return marked;
    const leading = [...(leaders.get(seen.session) ?? []), ...(leaders.get(seen.group) ?? [])];
    return leading.find((root) => wasWithin(seen, root))?.record.id;
  }

  /** A newel daemon that a service started serves the whole home, not that service. */
  #inherit(seen: Seen, inherited: string | undefined): string | undefined {
    if (inherited === undefined || seen.session !== seen.pid || this.#mark(seen) !== undefined)
      return inherited;
    const args = readArguments(seen.pid);
    return args.includes("--autostart") && args.includes("--home") ? undefined : inherited;
  }

  #mark(seen: Seen): string | undefined {
    const cached = this.#marks.get(seen.pid);
    if (cached?.startTicks === seen.startTicks) return cached.mark;
    const mark = readVariable(seen.pid, MARK);
    // A child of this process gets its environment a moment after its pid.
    if (mark === undefined || (mark === null && seen.parent === process.pid)) return undefined;
    this.#marks.set(seen.pid, { startTicks: seen.startTicks, mark: mark ?? undefined });
    return mark ?? undefined;
  }

  #prune(byPid: ReadonlyMap<number, Seen>): void {
    for (const map of [this.#known, this.#marks]) {
      for (const [pid, { startTicks }] of map)
        if (byPid.get(pid)?.startTicks !== startTicks) map.delete(pid);
    }
  }
}

interface RootIndex {
  /** Made processes that live, by pid. */
  readonly living: ReadonlyMap<number, Root>;
  /** Made processes by the number that their session and group have, ended ones too. */
  readonly leaders: ReadonlyMap<number, readonly Root[]>;
  /** Record ids by mark, of ended processes too. */
  readonly marks: ReadonlyMap<string, string>;
}

/**
 * Whether a member of a session or group can be that of this leader: after the leader's end and that
 * of all members, the number may be used again.
 */
function wasWithin({ startTicks }: Seen, { record, endedTicks = Infinity }: Root): boolean {
  return startTicks >= record.startTicks && startTicks <= endedTicks;
}

/** Sends a signal to exactly this process; `false` when the process has ended or belongs to another user. */
export function signalSeen(seen: Seen, signal: number): boolean {
  const pidfd = openPidfd(seen.pid);
  if (pidfd === undefined) return false;
  try {
    const now = look(seen.pid);
    const same = now?.startTicks === seen.startTicks && isLiving(now);
    return same && signalPidfd(pidfd, signal);
  } catch (error) {
    // A program with the rights of another user, such as sudo, below a kernel without them.
    if (isErrno(error, "EPERM")) return false;
    throw error;
  } finally {
    closeSync(pidfd);
  }
}

/** The living processes that have this variable with this value in their environment. */
export function findMarked(variable: string, value: string): Seen[] {
  return scanProcesses().filter(({ pid }) => readVariable(pid, variable) === value);
}

/**
 * The number of a signal given by name or number.
 *
 * @throws NEWEL_E_COMMAND when there is no such signal
 */
export function signalNumber(signal: string | number): number {
  const numbers: readonly number[] = Object.values(constants.signals);
  if (typeof signal === "number" || /^\d+$/.test(signal)) {
    const number = Number(signal);
    if (number === 0 || numbers.includes(number)) return number;
  } else {
    const name = signal.toUpperCase();
    const found = Object.entries(constants.signals).find(
      ([known]) => known === name || known === `SIG${name}`,
    );
    if (found !== undefined) return found[1];
  }
  throw newelError("NEWEL_E_COMMAND", { what: `Unknown signal ${signal}` });
}
