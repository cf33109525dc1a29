import { newelError } from "../base/errors.ts";
import type { Progress } from "./api.ts";
import { describeStep, type Step } from "./plan.ts";
import type { Replica } from "./replica.ts";

/** What a rollout may do to a service. */
export interface RolloutTarget {
  readonly service: string;
  /** Makes the next run of a copy; it is part of the service from then on. */
  begin(slot: number): Replica;
  /** The living copy with that number. */
  find(slot: number): Replica | undefined;
  report(progress: Progress): void;
}

/**
 * Performs the steps of a plan one after the other.
 *
 * @returns whether any step was needed
 * @throws the first failure; the processes started by the failed plan that serve nobody yet are stopped
 */
export async function performSteps(
  steps: readonly Step[],
  target: RolloutTarget,
  signal: AbortSignal,
): Promise<boolean> {
  const unproved = new Set<Replica>();
  try {
    for (const step of steps) {
      if (signal.aborted)
        throw newelError("NEWEL_E_CANCELLED", { what: `The work on ${target.service}` });
      target.report({
        type: "step",
        service: target.service,
        text: describeStep(step, target.service),
      });
      await performStep(step, target, unproved, signal);
    }
  } catch (error) {
    await Promise.all([...unproved].map((replica) => replica.stop()));
    throw error;
  }
  return steps.length > 0;
}

async function performStep(
  step: Step,
  target: RolloutTarget,
  unproved: Set<Replica>,
  signal: AbortSignal,
): Promise<void> {
  if (step.do === "start") {
    const replicas = step.slots.map((slot) => target.begin(slot));
    // Those that begin without a hold serve from their first moment; the restart policy has them.
    if (step.hold) for (const replica of replicas) unproved.add(replica);
    await all(replicas.map((replica) => replica.start(step.hold)));
    return;
  }
  const replicas = step.slots
    .map((slot) => target.find(slot))
    .filter((replica) => replica !== undefined);
  switch (step.do) {
    case "wait ready":
      await all(replicas.map((replica) => replica.waitReady(signal)));
      break;
    case "wait stable":
      await all(replicas.map((replica) => replica.waitStable(signal)));
      break;
    case "accept":
      await all(replicas.map((replica) => replica.accept()));
      for (const replica of replicas) unproved.delete(replica);
      break;
    case "stop":
      await all(replicas.map((replica) => stopAndTell(replica, target)));
      break;
  }
}

async function stopAndTell(replica: Replica, target: RolloutTarget): Promise<void> {
  const killed = await replica.stop();
  if (killed.length === 0) return;
  target.report({ type: "killed", service: target.service, process: replica.name, killed });
}

/** Waits for all before the first failure is thrown, so that nothing goes on unseen. */
async function all(promises: readonly Promise<unknown>[]): Promise<void> {
  const settled = await Promise.allSettled(promises);
  for (const result of settled) if (result.status === "rejected") throw result.reason;
}
