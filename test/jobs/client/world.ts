import { test, type TestContext } from "node:test";

import { type Processor, Worker } from "bullmq";

import { Jobs, type Run, type RunEvent } from "../../../src/jobs/index.ts";
import { type Backend, openBackend } from "../../../src/jobs/store/backend.ts";
import { cleanUp, eventually, type Scope } from "../../helpers/resources.ts";

/** A kind of store under test. */
export interface Store {
  readonly skip: string | false;
  /** The URL of a store that has nothing in it. */
  fresh(scope: Scope): Promise<string>;
}

/** Registers tests of a store. */
export type Check = (what: string, body: (t: TestContext) => Promise<void>) => void;

export function checksOf(store: Store): Check {
  return (what, body) => {
    test(what, { skip: store.skip }, body);
  };
}

/** Jobs in an empty store, closed after the test. */
export async function openJobs(t: Scope, store: Store): Promise<Jobs> {
  const jobs = new Jobs({ store: await store.fresh(t) });
  cleanUp(t, () => jobs.close());
  return jobs;
}

export async function collect(events: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const all: RunEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

export async function reaches(jobs: Jobs, id: string, state: Run["state"]): Promise<Run> {
  return eventually(async () => {
    const run = await jobs.get(id);
    return run?.state === state ? run : undefined;
  }, `${id} is ${state}`);
}

export async function backendOf(t: Scope, jobs: Jobs): Promise<Backend> {
  const backend = await openBackend(jobs.store);
  cleanUp(t, () => backend.close());
  return backend;
}

/** Has BullMQ's worker do the runs of a queue. @returns ends it */
export async function work(
  t: Scope,
  jobs: Jobs,
  processor: Processor,
  queue = "default",
): Promise<() => Promise<void>> {
  const { blocking: connection, factory } = await backendOf(t, jobs);
  const options = { connection, drainDelay: 1 } as never;
  const worker = new Worker(queue, processor as never, options, factory as never);
  worker.on("error", () => undefined);
  cleanUp(t, () => worker.close());
  return () => worker.close();
}
