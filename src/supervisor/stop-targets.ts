import type { ProcessTree, TreeProcess } from "../kernel/process-api.ts";
import { isShell, treatmentOf } from "./signal-treatment.ts";

/**
 * Decides which processes of a tree get the stop signal, so that each program gets it exactly once.
 *
 * The program that a service is gets the signal. Its children get none: a program that handles the
 * signal ends its workers itself, often with the same signal. Two kinds of process stand between
 * newel and the program: those that would keep the signal from it (a shell that waits, `npm`), which
 * are passed over, and those that the signal ends at once (the default action), which cannot pass it
 * on, so that their children get it too. What a process does with the signal is read from /proc when
 * the service stops, not guessed from the text of the configuration.
 *
 * | the process | gets the signal | its children |
 * |---|---|---|
 * | handles the signal, or waits for it (blocked) | yes | no: they are its own |
 * | has the default action | yes | decided one by one |
 * | ignores the signal | no | decided one by one |
 * | passes (npm, yarn, …; a shell that runs one command line) | only without children | decided one by one |
 * | reads the output of another one (`a | b`) | after that one has ended | not before |
 *
 * A child whose program has ended without it ("left") gets the signal at once where it cannot have had
 * it from that program: the program ended by the signal, or the child has the default action and still
 * lives. Otherwise it gets the signal after half of the grace.
 */
export type StopScope = "auto" | "main" | "group" | "tree";

/** The state of one process of the tree during a stop. */
type Standing =
  /**
   * It got the signal. With `guards`, its descendants are its own. `shell`: the shell it was, since
   * bash may take a SIGINT and then become the last command of its line, which has not got it.
   */
  | { readonly kind: "asked"; readonly guards: boolean; readonly shell?: string }
  /** A process that got the signal is responsible for this one. */
  | { readonly kind: "guarded"; readonly by: string }
  /** A shell has just forked it and may be about to execute a program: a signal could be lost in between. */
  | { readonly kind: "forked"; readonly args: string; readonly sinceMs: number }
  /** The process reads the output of others: the time since which none of them runs. */
  | { readonly kind: "reads"; readonly aloneSinceMs?: number }
  /** It is passed over; since when it has no children. */
  | { readonly kind: "passes"; readonly aloneSinceMs?: number };

/** Standings by `PID:STARTTICKS`. */
export type Ledger = ReadonlyMap<string, Standing>;

/** How the stop of a process tree was requested. */
export interface StopTerms {
  /** The number of the stop signal. */
  readonly signal: number;
  readonly scope: StopScope;
  readonly graceMs: number;
}

export interface Targets {
  /** In the order in which they have to get the signal: ancestors first. */
  readonly signal: readonly TreeProcess[];
  readonly ledger: Ledger;
}

/** How long a process without the signal may run after its children or the writers of its input have ended, before it gets the signal. */
const ALONE_MS = 1_000;
/** How long a fork of a shell is taken to be about to execute a program; then it is a subshell. */
const FORK_MS = 200;

/**
 * @param tree - the living processes with their details
 * @param ledger - from the call before; empty at first
 * @param elapsedMs - since the stop began
 */
export function chooseTargets(
  tree: ProcessTree,
  ledger: Ledger,
  terms: StopTerms,
  elapsedMs: number,
): Targets {
  return terms.scope === "auto"
    ? new Choice(tree, ledger, terms, elapsedMs).targets()
    : chooseByScope(tree, ledger, terms);
}

function keyOf({ pid, startTicks }: TreeProcess): string {
  return `${pid}:${startTicks}`;
}

/** The other scopes: every process of the scope gets the signal once. */
function chooseByScope(tree: ProcessTree, ledger: Ledger, { scope, signal }: StopTerms): Targets {
  const next = new Map(ledger);
  const chosen = tree.processes.filter((each) => {
    const within =
      scope === "tree" || (scope === "group" ? each.group === tree.pid : each.pid === tree.pid);
    if (!within || next.has(keyOf(each))) return false;
    next.set(keyOf(each), { kind: "asked", guards: false });
    return each.detail?.asked?.signal !== signal;
  });
  return { signal: chosen, ledger: next };
}

class Choice {
  readonly #tree: ProcessTree;
  readonly #before: Ledger;
  readonly #terms: StopTerms;
  readonly #elapsedMs: number;
  readonly #living: ReadonlySet<string>;
  readonly #byPid: ReadonlyMap<number, TreeProcess>;
  readonly #next = new Map<string, Standing>();
  readonly #chosen: TreeProcess[] = [];

  constructor(tree: ProcessTree, ledger: Ledger, terms: StopTerms, elapsedMs: number) {
    this.#tree = tree;
    this.#before = ledger;
    this.#terms = terms;
    this.#elapsedMs = elapsedMs;
    this.#living = new Set(tree.processes.map(keyOf));
    this.#byPid = new Map(tree.processes.map((each) => [each.pid, each]));
  }

  targets(): Targets {
    for (const each of this.#tree.processes)
      if (!this.#byPid.has(each.parent)) this.#visit(each, undefined);
    // Processes that have ended keep their entries, because entries of other processes refer to them.
    return { signal: this.#chosen, ledger: new Map([...this.#before, ...this.#next]) };
  }

  /** @param guard - the key of the living process above it that got the signal and handles it */
  #visit(one: TreeProcess, guard: string | undefined): void {
    const key = keyOf(one);
    if (this.#next.has(key)) return;
    const known = this.#before.get(key) ?? this.#askedBefore(one);
    const before = hasBecomeAnother(one, known) ? undefined : known;
    if (before?.kind === "asked") return this.#settle(one, before, before.guards ? key : undefined);
    if (guard !== undefined) return this.#settle(one, { kind: "guarded", by: guard }, guard);
    const by = before?.kind === "guarded" ? before.by : this.#unknownGuard(one, known);
    if (by !== undefined && (this.#living.has(by) || !this.#isLeftAlone(one, by)))
      return this.#settle(one, { kind: "guarded", by }, by);
    this.#assess(one, before);
  }

  #settle(one: TreeProcess, standing: Standing, guard: string | undefined): void {
    this.#next.set(keyOf(one), standing);
    for (const child of this.#children(one)) this.#visit(child, guard);
  }

  /** An earlier supervisor stopped this tree: the kernel knows which processes it asked. */
  #askedBefore(one: TreeProcess): Standing | undefined {
    const { signal } = this.#terms;
    if (one.detail?.asked?.signal !== signal) return undefined;
    return { kind: "asked", guards: treatmentOf(one.detail, signal) === "handles" };
  }

  /** The guard of an orphan that appears during the stop, when any program has guarded children. */
  #unknownGuard(one: TreeProcess, known: Standing | undefined): string | undefined {
    const isNewOrphan =
      known === undefined && this.#before.size > 0 && !this.#byPid.has(one.parent);
    if (!isNewOrphan) return undefined;
    const guards = [...this.#before].filter(([, each]) => each.kind === "asked" && each.guards);
    return guards[0]?.[0];
  }

  /** Whether a process that outlives its guard gets the signal now. */
  #isLeftAlone(one: TreeProcess, by: string): boolean {
    const { signal, graceMs } = this.#terms;
    const main = by.startsWith(`${this.#tree.pid}:`);
    if (main && this.#tree.exitCode === -signal) return true;
    if (treatmentOf(one.detail, signal) === "default") return true;
    return this.#elapsedMs >= graceMs / 2;
  }

  #assess(one: TreeProcess, before: Standing | undefined): void {
    if (this.#isForked(one, before) || this.#isReading(one, before)) return;
    const treatment = treatmentOf(one.detail, this.#terms.signal);
    const children = this.#children(one);
    if (treatment === "passes" || treatment === "ignores") {
      const passes = children.length > 0 || !this.#isLongAlone(before, "passes");
      if (passes || treatment === "ignores") {
        const aloneSinceMs = children.length > 0 ? undefined : this.#aloneSince(before, "passes");
        return this.#settle(
          one,
          { kind: "passes", ...(aloneSinceMs === undefined ? {} : { aloneSinceMs }) },
          undefined,
        );
      }
    }
    this.#chosen.push(one);
    const guards = treatment === "handles";
    const shell =
      one.detail !== undefined && isShell(one.detail) ? { shell: one.detail.program } : {};
    this.#settle(one, { kind: "asked", guards, ...shell }, guards ? keyOf(one) : undefined);
  }

  #isForked(one: TreeProcess, before: Standing | undefined): boolean {
    if (before !== undefined && before.kind !== "forked") return false;
    const args = (one.detail?.args ?? []).join("\0");
    const parent = this.#byPid.get(one.parent)?.detail;
    const isFork =
      before === undefined
        ? parent !== undefined && isShell(parent) && args === parent.args.join("\0")
        : args === before.args && this.#elapsedMs - before.sinceMs < FORK_MS;
    const sinceMs = before?.sinceMs ?? this.#elapsedMs;
    if (isFork) this.#next.set(keyOf(one), { kind: "forked", args, sinceMs });
    return isFork;
  }

  /**
   * In `a | b`, b ends by itself once it has read all output of a; with the signal, the last output would be
   * lost.
   */
  #isReading(one: TreeProcess, before: Standing | undefined): boolean {
    const { stdin = "" } = one.detail ?? {};
    const isPipe = /^(pipe|socket):/.test(stdin);
    if (!isPipe || this.#elapsedMs >= this.#terms.graceMs / 2) return false;
    const writes = ({ detail }: TreeProcess): boolean =>
      detail?.stdout === stdin || detail?.stderr === stdin;
    const written = this.#tree.processes.some((each) => writes(each) && !this.#isWithin(each, one));
    if (!written && (before?.kind !== "reads" || this.#isLongAlone(before, "reads"))) return false;
    const aloneSinceMs = written ? undefined : this.#aloneSince(before, "reads");
    this.#next.set(keyOf(one), {
      kind: "reads",
      ...(aloneSinceMs === undefined ? {} : { aloneSinceMs }),
    });
    return true;
  }

  #aloneSince(before: Standing | undefined, kind: "reads" | "passes"): number {
    return (before?.kind === kind ? before.aloneSinceMs : undefined) ?? this.#elapsedMs;
  }

  /** One that never had children or writers is alone from the beginning. */
  #isLongAlone(before: Standing | undefined, kind: "reads" | "passes"): boolean {
    if (before?.kind !== kind) return kind === "passes";
    const limitMs = Math.min(ALONE_MS, this.#terms.graceMs / 4);
    return this.#elapsedMs - this.#aloneSince(before, kind) >= limitMs;
  }

  #isWithin(one: TreeProcess, ancestor: TreeProcess): boolean {
    for (let at: TreeProcess | undefined = one; at !== undefined; at = this.#byPid.get(at.parent))
      if (at === ancestor) return true;
    return false;
  }

  #children({ pid }: TreeProcess): readonly TreeProcess[] {
    return this.#tree.processes.filter(({ parent }) => parent === pid);
  }
}

function hasBecomeAnother({ detail }: TreeProcess, known: Standing | undefined): boolean {
  if (known?.kind !== "asked" || known.shell === undefined || detail === undefined) return false;
  return detail.program !== "" && detail.program !== known.shell;
}
