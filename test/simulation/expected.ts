import type { ServiceMachine } from "../../src/supervisor/machine/service-machine.ts";
import { isServing, LITTLE_BYTES, type SimProcess } from "./kernel.ts";

/** The invariants of every run. */
export type Invariant =
  /** No process is made for a replica number while another process tree has it. */
  | "one process tree for a replica number"
  /** A service of which two cannot run at once never has more process trees than replicas. */
  | "stop-first never doubles"
  /** A reload never has fewer serving replicas than before, less those that ended by themselves. */
  | "a reload keeps serving"
  /** Every command ends while its supervisor lives. */
  | "every command ends"
  /** With a stop, the commands before it end: they are cancelled. */
  | "a stop takes the place of the commands before it"
  /** A command that failed leaves settings and desired state as they were. */
  | "a failure changes nothing"
  /** After every event the next wake-up is in the future: the supervisor never spins. */
  | "the next wake-up is in the future"
  /** A replica that was ready once is not stopped for being late, nor by a supervisor that finds it in order. */
  | "healthy replicas are kept"
  /** A replica is stopped as unfit only if its checks fail or it uses much memory. */
  | "a fit replica is kept"
  /** Where two may run at once, an unfit replica serves until another one does. */
  | "an unfit replica is replaced first"
  /** Between commands, a missing replica is started at the time of its restart policy, and never after it gave up. */
  | "the restart policy is kept"
  /** Without further faults, no replica stays whose checks fail or that uses much memory. */
  | "an unfit replica does not stay"
  /** Without further faults, the actual state becomes the desired state, and serves. */
  | "actual becomes desired"
  /** Without further faults, no process tree is left that the supervisor does not know. */
  | "no process is forgotten";

export interface Violation {
  readonly invariant: Invariant;
  readonly atMs: number;
  readonly what: string;
}

/** One part of the state that is expected at rest. */
export interface Expectation {
  readonly invariant: Invariant;
  readonly holds: boolean;
  readonly what: () => string;
}

/** The state of a service at rest. `trees`: the living processes of the kernel. */
export function restingState(
  machine: ServiceMachine,
  trees: readonly SimProcess[],
  nowMs: number,
): readonly Expectation[] {
  const { wanted, tracker, spec } = machine;
  const resting = tracker.entries().filter(([, { kind }]) => kind !== "backoff").length;
  const serving = trees.filter((process) => isServing(process, nowMs)).length;
  const expected = wanted.up ? Math.max(0, wanted.replicas - resting) : 0;
  const known = new Set(machine.replicas.map(({ generation }) => generation));
  for (const [, missing] of tracker.entries())
    if (missing.kind === "completed") known.add(missing.generation);
  const forgotten = trees.filter(({ generation }) => !known.has(generation));
  const unfit = trees.filter((process) => process.main && isUnfit(process));
  const all: Expectation[] = [
    {
      invariant: "actual becomes desired",
      holds: serving === expected && !machine.isBusy,
      what: () => `${serving} of ${expected} serve, busy ${machine.isBusy}, ${spec.hash}`,
    },
    {
      invariant: "no process is forgotten",
      holds: forgotten.length === 0,
      what: () => generationsOf(forgotten),
    },
  ];
  if (spec.alive !== undefined)
    all.push({
      invariant: "an unfit replica does not stay",
      holds: unfit.length === 0,
      what: () => generationsOf(unfit),
    });
  return all;
}

export function isUnfit({ isSick, memoryBytes }: SimProcess): boolean {
  return isSick || memoryBytes > LITTLE_BYTES;
}

function generationsOf(processes: readonly SimProcess[]): string {
  return `generations ${processes.map(({ generation }) => generation).join(", ")}`;
}
