import type { EnqueueOptions, FlowRequest } from "./api.ts";
import type { GivenOf } from "./definition-types.ts";
import type { AnyDefinition, AnySchema, JobDefinition } from "./definition.ts";
import { optionError } from "./names.ts";
import { enqueueRequest } from "./requests.ts";

/** Options for a run of a flow: runs of a flow have no keys. */
type FlowOptions = Omit<EnqueueOptions, "key">;

/** A run of a flow with its children. */
export interface Flow<Schema extends AnySchema = AnySchema, Result = unknown> {
  /** The definition of the run. */
  readonly job: JobDefinition<Schema, Result>;
  /** The input of the run. */
  readonly input: GivenOf<Schema>;
  /** The options of the run, as for `enqueue`. */
  readonly options?: FlowOptions;
  /** The runs it waits for. Default: none. */
  readonly children?: readonly FlowChild[];
}

/** A child run; its input is checked against its job's schema when the flow is enqueued. */
export interface FlowChild {
  /** The definition of the run. */
  readonly job: AnyDefinition;
  /** The input of the run. */
  readonly input?: unknown;
  /** Options of the run. Without its own `by` the run has the owner of its parent. */
  readonly options?: FlowOptions;
  /** The runs it waits for. Default: none. */
  readonly children?: readonly FlowChild[];
}

/**
 * Builds the request of a flow for a store.
 *
 * @throws as `enqueueRequest`, for any run of the flow
 */
export async function flowRequest(flow: FlowChild, limitBytes: number): Promise<FlowRequest> {
  const { job, input, options = {}, children = [] } = flow ?? {};
  // A program in JavaScript may pass anything.
  if (typeof job?.keyOf !== "function")
    throw optionError("a flow", "job", job, "the definition of a job, as `job` returns it");
  if (!Array.isArray(children))
    throw optionError(`a run of ${job.name} in a flow`, "children", children, "a list of runs");
  const given: EnqueueOptions = options;
  if (given.key !== undefined)
    throw optionError(
      `a run of ${job.name} in a flow`,
      "key",
      given.key,
      "none: a flow has no keys",
    );
  const { key: _, ...run } = await enqueueRequest(job, input, options, limitBytes);
  const below: FlowRequest[] = [];
  for (const child of children) below.push(await flowRequest(inherit(options, child), limitBytes));
  return { run, children: below };
}

function inherit(above: FlowOptions, child: FlowChild): FlowChild {
  const { options = {} } = child ?? {};
  if (above.by === undefined || "by" in options) return child;
  return { ...child, options: { ...options, by: above.by } };
}
