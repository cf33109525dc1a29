import type { EnqueueOptions, FlowRequest, GivenOf } from "./api.ts";
import type { AnyDefinition, AnySchema, JobDefinition } from "./definition.ts";
import { optionError } from "./names.ts";
import { enqueueRequest } from "./requests.ts";

/** How a run of a flow is enqueued: runs that belong together have no keys. */
type FlowOptions = Omit<EnqueueOptions, "key">;

/** A run of a flow, and the runs it waits for. */
export interface Flow<Schema extends AnySchema = AnySchema, Result = unknown> {
  readonly job: JobDefinition<Schema, Result>;
  readonly input: GivenOf<Schema>;
  readonly options?: FlowOptions;
  readonly children?: readonly FlowChild[];
}

/** A run below another one; its input is checked against its job's schema when the flow is made. */
export interface FlowChild {
  readonly job: AnyDefinition;
  readonly input?: unknown;
  /** Whose run it is, unless that is said here, is that of the run above. */
  readonly options?: FlowOptions;
  readonly children?: readonly FlowChild[];
}

/**
 * A flow as a store takes it.
 *
 * @throws as `enqueueRequest`, for any run of the flow
 */
export async function flowRequest(flow: FlowChild, limitBytes: number): Promise<FlowRequest> {
  const { job, input, options = {}, children = [] } = flow;
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
  for (const child of children)
    below.push(await flowRequest({ ...child, options: inherit(options, child) }, limitBytes));
  return { run, children: below };
}

function inherit(above: FlowOptions, { options = {} }: FlowChild): FlowOptions {
  if (above.by === undefined || "by" in options) return options;
  return { ...options, by: above.by };
}
