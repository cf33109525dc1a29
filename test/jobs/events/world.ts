import { randomUUID } from "node:crypto";

import { type BackendFactory, type IQueueBackend, type Processor, Queue, Worker } from "bullmq";

import type { Run, RunEvent, RunState } from "../../../src/jobs/api.ts";
import { progressOf } from "../../../src/jobs/events/entry.ts";
import { RunEvents } from "../../../src/jobs/events/events.ts";
import type { EventReader } from "../../../src/jobs/events/queue-log.ts";
import { cleanUp, type Scope } from "../../helpers/resources.ts";

/** A store under test, with the options of BullMQ's classes. */
export interface Store {
  readonly name: string;
  readonly connection: unknown;
  readonly factory: BackendFactory<IQueueBackend, never>;
}

const STATES: Readonly<Record<string, RunState>> = {
  active: "running",
  completed: "done",
  failed: "failed",
  delayed: "delayed",
};

/** A queue of plain BullMQ, and the events of its runs. */
export class EventsWorld {
  readonly store: Store;
  readonly name: string = `q-${randomUUID()}`;
  readonly queue: Queue;
  readonly errors: unknown[] = [];
  readonly #scope: Scope;
  /** How often a reader of events was opened. */
  opened = 0;
  /** How often a run was read. */
  read = 0;

  constructor(scope: Scope, store: Store) {
    this.store = store;
    this.#scope = scope;
    const { connection, factory } = store;
    this.queue = new Queue(this.name, { connection } as never, factory as never);
    this.queue.on("error", (error) => this.errors.push(error));
    cleanUp(scope, () => this.queue.close());
  }

  worker(processor: Processor): Worker {
    const { connection, factory } = this.store;
    const options = { connection, drainDelay: 1 } as never;
    const worker = new Worker(this.name, processor as never, options, factory as never);
    worker.on("error", (error) => this.errors.push(error));
    cleanUp(this.#scope, () => worker.close(true));
    return worker;
  }

  /** A separate reader, as another process would have. */
  events(change: (reader: EventReader) => EventReader = (reader) => reader): RunEvents {
    const { connection, factory } = this.store;
    const events = new RunEvents({
      open: (queue) => {
        this.opened += 1;
        return change(factory(queue, { connection } as never, { blocking: true }));
      },
      read: (id) => this.run(id),
      onError: (error) => this.errors.push(error),
    });
    cleanUp(this.#scope, () => events.close());
    return events;
  }

  async add(data: object = {}, options: object = {}): Promise<string> {
    const job = await this.queue.add("job", data, { jobId: randomUUID(), ...options });
    return `${this.name}~${job.id}`;
  }

  async run(id: string): Promise<Run | undefined> {
    try {
      return await this.#run(id);
    } finally {
      // Not before: a worker that is started then must not be seen by this read.
      this.read += 1;
    }
  }

  async #run(id: string): Promise<Run | undefined> {
    const job = await this.queue.getJob(id.slice(id.indexOf("~") + 1));
    if (job === undefined) return undefined;
    const state = STATES[await job.getState()] ?? "waiting";
    const progress = progressOf(job.progress);
    const { by } = job.data as { by?: string };
    return {
      id,
      name: job.name,
      queue: this.name,
      state,
      input: undefined,
      ...(progress === undefined ? {} : { progress }),
      ...(state === "done" ? { result: job.returnvalue as unknown } : {}),
      ...(job.failedReason === undefined
        ? {}
        : { error: { name: "Error", message: job.failedReason } }),
      attempt: job.attemptsStarted,
      attempts: job.opts.attempts ?? 1,
      ...(by === undefined ? {} : { by }),
      priority: 0,
      enqueuedMs: job.timestamp,
    };
  }
}

/** All events up to the end; each as `state`, or `done/total`. */
export async function collect(events: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const all: RunEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** `run running 3/10`, `state done`, `progress 4/10`. */
export function told({ type, state, progress }: RunEvent): string {
  const share = progress === undefined ? "" : ` ${progress.done}/${progress.total}`;
  return type === "progress" ? `progress${share}` : `${type} ${state}${share}`;
}
