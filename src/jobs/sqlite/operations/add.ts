import type { DeduplicationOptions } from "bullmq";

import { CODE } from "../codes.ts";
import { findByFlowKey, findJob, insertJob, type JobHead, type NewJob } from "../job-rows.ts";
import type { QueueRecord } from "../queue-record.ts";
import { CHILD, STATE } from "../states.ts";
import type { Store } from "../store.ts";
import { deduplicate } from "./deduplicate.ts";
import { findParent, type Placed, releaseIfNothingPending, setChild } from "./flow.ts";
import { storeAndEnqueue } from "./placing.ts";

/** A job to add. */
export interface AddRequest extends NewJob {
  readonly deduplicate: DeduplicationOptions | null;
  /** A parent of a flow, whose children follow. */
  readonly hasChildren: boolean;
}

/** A job to add to a flow, which may span queues. */
export interface FlowRequest extends AddRequest {
  /** Its queue, `prefix:queue`. */
  readonly queueName: string;
}

/** The job's id, or a negative error code. */
export type Added = string | number;

/** Adds jobs, up to the first that cannot be added. */
export function addJobs(
  store: Store,
  queue: QueueRecord,
  requests: readonly AddRequest[],
): Added[] {
  return requests.map((request) => addJob(store, queue, request, false));
}

/** Adds a tree of jobs; parents may continue only when the whole tree is stored. */
export function addFlow(
  store: Store,
  _queue: QueueRecord,
  requests: readonly FlowRequest[],
): Added[] {
  const refused = new Set<string>();
  const added = requests.map((request) => {
    const result = addJob(store, store.queue(request.queueName), request, true);
    if (result === CODE.parentJobCannotBeReplaced && request.parentKey !== null)
      refused.add(request.parentKey);
    return result;
  });
  for (const key of new Set(requests.map(({ parentKey }) => parentKey))) {
    const parent = key === null || refused.has(key) ? undefined : findByFlowKey(store, key);
    if (parent !== undefined) releaseIfNothingPending(store, parent);
  }
  return added;
}

function addJob(store: Store, queue: QueueRecord, request: AddRequest, inFlow: boolean): Added {
  const parent = request.parentKey === null ? undefined : parentOf(store, request);
  if (request.parentKey !== null && parent === undefined) return CODE.parentJobNotExist;
  queue.lastId += 1;
  const old = request.id === "" ? undefined : findJob(store, queue, request.id);
  if (old !== undefined) return duplicate(store, { queue, job: old }, parent, request, inFlow);
  const job = request.id === "" ? { ...request, id: String(queue.lastId) } : request;
  const { deduplicate: options } = request;
  const holder =
    options === null ? undefined : deduplicate(store, queue, job, options, !request.hasChildren);
  if (holder !== undefined) return holder;
  if (request.hasChildren) {
    insertJob(store, queue, job, STATE.waitingChildren, job.addedAt);
    store.emit(queue, "waiting-children", "jobId", job.id);
  } else storeAndEnqueue(store, queue, job);
  store.touch(queue);
  if (parent !== undefined) setChild(store, parent.job, { queue, id: job.id }, CHILD.pending);
  return job.id;
}

function parentOf(store: Store, request: AddRequest): Placed | undefined {
  const { parentKey, parent } = request;
  return findParent(store, { parent_key: parentKey, parent } as JobHead);
}

/** A job of that id exists: it stays, and gets the parent if it has no existing one. */
function duplicate(
  store: Store,
  old: Placed,
  parent: Placed | undefined,
  request: AddRequest,
  inFlow: boolean,
): Added {
  const { queue, job } = old;
  if (job.parent_key !== null && job.parent_key !== request.parentKey) {
    const hasOther = findParent(store, job) !== undefined;
    if (hasOther && parent !== undefined) return CODE.parentJobCannotBeReplaced;
    if (!hasOther) adopt(store, old, parent, request, inFlow);
  } else adopt(store, old, parent, request, inFlow);
  store.emit(queue, "duplicated", "jobId", job.id);
  return job.id;
}

function adopt(
  store: Store,
  { queue, job }: Placed,
  parent: Placed | undefined,
  request: AddRequest,
  inFlow: boolean,
): void {
  if (parent === undefined) return;
  const child = { queue, id: job.id };
  if (job.state === STATE.completed) {
    setChild(store, parent.job, child, CHILD.processed, job.returnvalue);
    if (!inFlow) releaseIfNothingPending(store, parent);
  } else setChild(store, parent.job, child, CHILD.pending);
  store.run(
    "UPDATE job SET parent_key = ?, parent = ? WHERE key = ?",
    request.parentKey,
    request.parent,
    job.key,
  );
}
