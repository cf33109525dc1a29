import type { ResolvedService } from "../config/resolved.ts";
import type { Wanted } from "./operation.ts";
import { endedReplica, newReplica } from "./replica-state.ts";
import type { RestartTracker } from "./restart-tracker.ts";
import type { FoundReplica, MachineEvent, ReplicaState } from "./types.ts";

/** The actions of the reconciliation on the machine. */
interface Reconciler {
  /** The machine, to be read. */
  readonly machine: {
    readonly spec: ResolvedService;
    readonly wanted: Wanted;
    readonly replicas: readonly ReplicaState[];
    readonly tracker: RestartTracker;
    readonly isBusy: boolean;
    /** Whether the steps of a command are under way. */
    readonly isChanging: boolean;
  };
  readonly nowMs: number;
  readonly adopt: (replica: ReplicaState) => void;
  readonly ended: (replica: ReplicaState, exitCode: number | null) => void;
  readonly stop: (replica: ReplicaState) => void;
  /** Continues the stop of a replica that has the stop signal. */
  readonly stopOn: (replica: ReplicaState) => void;
  /** Takes a replica that has ended, so that its descendants are ended before it is started again. */
  readonly cleanUp: (replica: ReplicaState) => void;
  readonly repair: () => void;
}

/**
 * Compares the machine's replicas with the kernel's processes. A replica that the kernel does not
 * have has ended; a process that the machine does not know is adopted, and stopped again when there
 * is another with its number. If there are too many, converging decides which of them stay.
 */
export function reconcile(
  { replicas: found, rebooted }: Extract<MachineEvent, { type: "found" }>,
  reconciler: Reconciler,
): void {
  const { machine, ended } = reconciler;
  const byGeneration = new Map(found.map((each) => [each.generation, each]));
  for (const replica of machine.replicas) {
    // A launch whose answer is still to come is not in the list yet.
    if (!replica.launched) continue;
    const seen = byGeneration.get(replica.generation);
    if (seen?.running !== true) ended(replica, seen?.exitCode ?? null);
  }
  const known = new Set(machine.replicas.map(({ generation }) => generation));
  const running = found.filter((each) => each.running && !known.has(each.generation));
  for (const each of running.sort((a, b) => a.generation - b.generation)) adopt(each, reconciler);
  noteEnded(found, rebooted, reconciler);
  sweep(found, reconciler);
  const living = machine.replicas.filter(({ phase }) => phase !== "stopping");
  const outdated = living.filter(({ spec }) => spec.hash !== machine.spec.hash).length;
  const isMixed =
    outdated > 0 && outdated < living.length && living.length <= machine.wanted.replicas;
  if (isMixed && machine.wanted.up && !machine.isBusy) reconciler.repair();
}

function adopt(found: FoundReplica, { machine, nowMs, ...act }: Reconciler): void {
  const { generation, number, spec, ageMs } = found;
  const { timeoutMs, probe } = spec.ready;
  // The line that shows readiness may have left the buffer; such a replica is not asked again.
  const isProven = probe.kind === "log" && ageMs >= timeoutMs;
  const replica: ReplicaState = {
    ...newReplica(generation, number, spec, nowMs - ageMs),
    launched: true,
    // The process may have been held back when the earlier supervisor died. The order to accept does not change
    // a process that accepts already.
    held: spec.listen.length > 0,
    // Its former supervisor may have died at any time, so it has the whole time limit again.
    readyByMs: isProven ? undefined : nowMs + timeoutMs,
    ...(isProven ? { phase: "running" as const, ready: true, readyMs: nowMs } : {}),
  };
  const twin = machine.replicas.find((other) => other.number === number);
  act.adopt(replica);
  // The replica no longer serves, even if its probes answer while it drains.
  if (found.isStopping === true) return act.stopOn(replica);
  if (twin === undefined) return;
  const isBetter = found.current && twin.spec.hash !== machine.spec.hash;
  act.stop(isBetter ? twin : replica);
}

/**
 * Lets the restart policy decide about replicas that ended while no supervisor ran: the newest ended
 * generations, as many as replicas are missing. After a reboot each that was wanted runs again,
 * unless it had completed.
 */
function noteEnded(
  found: readonly FoundReplica[],
  rebooted: boolean,
  reconciler: Reconciler,
): void {
  const { machine, nowMs } = reconciler;
  const { tracker, wanted, spec } = machine;
  // The plan of a command under way starts the missing replicas.
  if (!wanted.up || machine.isChanging) return;
  const taken = new Set(machine.replicas.map(({ number }) => number));
  const ended = found
    .filter(({ running, number }) => !running && !taken.has(number))
    .sort((a, b) => b.generation - a.generation);
  for (const each of ended) {
    const { number, exitCode = null, ageMs, current } = each;
    if (taken.size + tracker.size >= wanted.replicas) return;
    if (tracker.has(number)) continue;
    const isDone = exitCode === 0 && spec.restart.policy !== "always" && current;
    const { generation } = each;
    if (isDone) tracker.set(number, { kind: "completed", generation });
    else if (!rebooted) {
      // Work with a schedule waits for its next time.
      const policy =
        spec.schedule === undefined ? spec.restart : { ...spec.restart, policy: "never" as const };
      tracker.ended(number, { generation, exitCode, livedMs: ageMs }, policy, nowMs);
    }
  }
}

/** Ends the descendants of ended processes, except of completed ones: their descendants may be the service. */
function sweep(found: readonly FoundReplica[], { machine, nowMs, cleanUp }: Reconciler): void {
  const kept = new Set(machine.replicas.map(({ generation }) => generation));
  for (const [, missing] of machine.tracker.entries())
    if (missing.kind === "completed") kept.add(missing.generation);
  for (const {
    generation,
    number,
    spec,
    ageMs,
    running,
    hasDescendants,
    exitCode = null,
  } of found) {
    if (running || !hasDescendants || kept.has(generation)) continue;
    cleanUp({ ...endedReplica(generation, number, spec, nowMs - ageMs), exitCode });
  }
}
