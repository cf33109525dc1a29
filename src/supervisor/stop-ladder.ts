import type { ProcessTree, TreeProcess } from "../kernel/process-api.ts";
import { chooseTargets, type Ledger, type StopTerms } from "./stop-targets.ts";

/**
 * The stop ladder of one process tree, as a pure machine: the stop signal to the processes that
 * `chooseTargets` names, the grace, then SIGKILL to every process that is left.
 *
 * | state | a tree | no tree | `now` | grace is over |
 * |---|---|---|---|---|
 * | asking | new targets get the signal, once each; stopped processes get SIGCONT | confirming | killing | killing |
 * | confirming | asking or killing, as before | done | – | – |
 * | killing | SIGKILL to all that are left | confirming | – | – |
 *
 * SIGKILL is repeated, because a process may have forked in the meantime; after 10 s without success
 * the ladder gives up. A second empty look confirms the end of a tree of several processes: one pass
 * over /proc is not an instant.
 */
export interface LadderState {
  readonly phase: "asking" | "killing" | "done";
  readonly terms: StopTerms;
  /** The grace counts from the first read of the tree: before it, no process got the signal. */
  readonly startedMs: number | undefined;
  /** When the first SIGKILL was sent. */
  readonly killingSinceMs?: number;
  readonly emptyOnce: boolean;
  /** Whether more than one process was seen at once. */
  readonly isFamily: boolean;
  readonly ledger: Ledger;
}

export type LadderEvent =
  /** The living processes; `undefined`: none. */
  | { readonly type: "tree"; readonly tree: ProcessTree | undefined }
  /** The grace ends now. */
  | { readonly type: "now" };

export type LadderEffect =
  | {
      readonly do: "signal";
      readonly signal: "stop" | "SIGCONT" | "SIGKILL";
      readonly to: readonly TreeProcess[];
    }
  | { readonly do: "look"; readonly atMs: number }
  | { readonly do: "give up"; readonly left: readonly TreeProcess[] };

/** SIGKILL cannot be refused, only be slow, for example on a disk that hangs. */
const KILL_WAIT_MS = 10_000;
const SOONEST_MS = 20;
const LATEST_MS = 250;

type SeenState = LadderState & { readonly startedMs: number };

export function beginLadder(terms: StopTerms): LadderState {
  return {
    phase: "asking",
    terms,
    startedMs: undefined,
    emptyOnce: false,
    isFamily: false,
    ledger: new Map(),
  };
}

/** Returns the next state for an event, with the actions in their order. */
export function stepLadder(
  state: LadderState,
  event: LadderEvent,
  nowMs: number,
): { readonly state: LadderState; readonly effects: readonly LadderEffect[] } {
  if (state.phase === "done") return { state, effects: [] };
  if (event.type === "now") {
    const phase = "killing";
    return { state: { ...state, phase }, effects: [{ do: "look", atMs: nowMs }] };
  }
  const { tree } = event;
  if (tree === undefined) {
    if (state.emptyOnce || !state.isFamily)
      return { state: { ...state, phase: "done" }, effects: [] };
    return {
      state: { ...state, emptyOnce: true },
      effects: [{ do: "look", atMs: nowMs }],
    };
  }
  const isFamily = state.isFamily || tree.processes.length > 1;
  const seen = { ...resume(state, tree, nowMs), emptyOnce: false, isFamily };
  const isOver = nowMs - seen.startedMs >= seen.terms.graceMs;
  return seen.phase === "killing" || isOver
    ? kill({ ...seen, phase: "killing" }, tree, nowMs)
    : ask(seen, tree, nowMs);
}

/** The first read of the tree: an earlier supervisor may have begun this stop, and the rest may have no program. */
function resume(state: LadderState, tree: ProcessTree, nowMs: number): SeenState {
  const { startedMs = nowMs } = state;
  if (state.ledger.size > 0) return { ...state, startedMs };
  const { signal } = state.terms;
  const ages = tree.processes.flatMap(({ detail }) =>
    detail?.asked?.signal === signal ? [detail.asked.agoMs] : [],
  );
  const terms = tree.running ? state.terms : { ...state.terms, scope: "auto" as const };
  return { ...state, terms, startedMs: Math.min(startedMs, nowMs - Math.max(0, ...ages)) };
}

function ask(state: SeenState, tree: ProcessTree, nowMs: number): ReturnType<typeof stepLadder> {
  const { startedMs, terms } = state;
  const elapsedMs = nowMs - startedMs;
  const { signal, ledger } = chooseTargets(tree, state.ledger, terms, elapsedMs);
  const stopped = tree.processes.filter((each) => each.stopped === true);
  const signals: LadderEffect[] = [];
  if (signal.length > 0) signals.push({ do: "signal", signal: "stop", to: signal });
  // After the stop signal, which a process takes before anything else once it continues.
  if (stopped.length > 0) signals.push({ do: "signal", signal: "SIGCONT", to: stopped });
  // Short stops are seen soon, long ones cost little.
  const waitMs = Math.min(LATEST_MS, Math.max(SOONEST_MS, elapsedMs / 4));
  const atMs = Math.min(nowMs + waitMs, startedMs + terms.graceMs);
  return { state: { ...state, ledger }, effects: [...signals, { do: "look", atMs }] };
}

function kill(
  state: LadderState,
  { processes }: ProcessTree,
  nowMs: number,
): ReturnType<typeof stepLadder> {
  const killingSinceMs = state.killingSinceMs ?? nowMs;
  if (nowMs - killingSinceMs >= KILL_WAIT_MS)
    return { state: { ...state, phase: "done" }, effects: [{ do: "give up", left: processes }] };
  return {
    state: { ...state, killingSinceMs },
    effects: [
      { do: "signal", signal: "SIGKILL", to: processes },
      { do: "look", atMs: nowMs + SOONEST_MS },
    ],
  };
}
