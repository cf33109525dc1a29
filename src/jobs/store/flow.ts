import type { FlowJob, FlowProducer, JobNode } from "bullmq";

import type { FlowRequest, RunTree } from "../api.ts";
import { newJobId } from "../names.ts";
import { toJobsOptions, toStored } from "../stored.ts";
import type { Queues } from "./queues.ts";
import { type JobFacts, toRun } from "./run.ts";

/** Adds a tree of runs to their queues, all or none. */
export async function addFlow(
  queues: Queues,
  producer: FlowProducer,
  request: FlowRequest,
): Promise<RunTree> {
  // A queue of a flow exists like any other.
  for (const { run } of flatten(request)) queues.writer(run.queue);
  return toTree(await producer.add(toFlowJob(request, true)));
}

function toFlowJob({ run, children }: FlowRequest, isRoot: boolean): FlowJob {
  return {
    name: run.name,
    queueName: run.queue,
    data: toStored(run, { waits: children.length > 0 }),
    opts: {
      ...toJobsOptions(run),
      jobId: newJobId(),
      // Otherwise a parent would wait forever for a failed child.
      ...(isRoot ? {} : { failParentOnFailure: true }),
    },
    ...(children.length === 0
      ? {}
      : { children: children.map((child) => toFlowJob(child, false)) }),
  };
}

function toTree({ job, children = [] }: JobNode): RunTree {
  const state = (job.opts.delay ?? 0) > 0 ? "delayed" : "waiting";
  return {
    run: toRun(job.queueName, job as JobFacts, state, false),
    children: children.map(toTree),
  };
}

function flatten(request: FlowRequest): FlowRequest[] {
  return [request, ...request.children.flatMap(flatten)];
}
