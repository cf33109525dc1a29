import { randomUUID } from "node:crypto";

import {
  type BackendFactory,
  FlowProducer,
  type IQueueBackend,
  type Job,
  type Processor,
  Queue,
  QueueEvents,
  QueueEventsProducer,
  type QueueOptions,
  Worker,
  type WorkerOptions,
} from "bullmq";

import { eventually } from "../../helpers/resources.ts";

/** A store under test, with the options of BullMQ's classes. */
export interface Backend {
  readonly name: string;
  readonly connection: unknown;
  readonly factory: BackendFactory<IQueueBackend, never>;
}

export type AnyQueue = Queue;
export type AnyWorker = Worker;
export type Options<T> = Partial<Omit<T, "connection">>;

/** The queues and workers of a behaviour on the store under test, closed after it. */
export class World {
  readonly backend: Backend;
  /** The name of the first queue. */
  readonly name: string = `q-${randomUUID()}`;
  /** Errors that workers emitted. */
  readonly errors: Error[] = [];
  readonly #open: { close(): Promise<unknown> }[] = [];

  constructor(backend: Backend) {
    this.backend = backend;
  }

  #made<T extends { close(): Promise<unknown> }>(made: T): T {
    this.#open.push(made);
    return made;
  }

  queue(options: Options<QueueOptions> = {}, name: string = this.name): AnyQueue {
    const { connection, factory } = this.backend;
    const queue = new Queue(name, { ...options, connection } as never, factory as never);
    queue.on("error", (error: Error) => this.errors.push(error));
    return this.#made(queue);
  }

  worker(
    processor: Processor | string | URL | undefined,
    options: Options<WorkerOptions> = {},
    name: string = this.name,
  ): AnyWorker {
    const { connection, factory } = this.backend;
    const worker = new Worker(
      name,
      processor as never,
      { drainDelay: 1, ...options, connection } as never,
      factory as never,
    );
    worker.on("error", (error: Error) => this.errors.push(error));
    return this.#made(worker);
  }

  async events(options: object = {}, name: string = this.name): Promise<QueueEvents> {
    const { connection, factory } = this.backend;
    const events = new QueueEvents(name, { ...options, connection } as never, factory as never);
    this.#made(events);
    await events.waitUntilReady();
    // BullMQ's readers on servers begin with the events after their first read.
    await new Promise((resolve) => setTimeout(resolve, 60));
    return events;
  }

  flow(options: { readonly prefix?: string } = {}): FlowProducer {
    const { connection, factory } = this.backend;
    const flow = new FlowProducer({ ...options, connection } as never, factory as never);
    return this.#made(flow);
  }

  producer(): QueueEventsProducer {
    const { connection, factory } = this.backend;
    const producer = new QueueEventsProducer(this.name, { connection } as never, factory as never);
    return this.#made(producer);
  }

  /** Another queue's name, for this behaviour alone. */
  other(): string {
    return `o-${randomUUID()}`;
  }

  /** Processes until `count` jobs are done, and returns the results of `see`, in order. */
  async process<T>(
    count: number,
    see: (job: Job) => T | Promise<T>,
    options: Options<WorkerOptions> = {},
  ): Promise<T[]> {
    const seen: T[] = [];
    let ended = 0;
    const worker = this.worker(async (job) => {
      seen.push(await see(job));
    }, options);
    worker.on("completed", () => (ended += 1));
    await this.until(() => ended >= count, `${count} jobs`);
    await worker.close();
    return seen;
  }

  /** Waits until the job is in that state. */
  async state(queue: AnyQueue, id: string | undefined, wanted: string): Promise<void> {
    await this.until(async () => (await queue.getJobState(id ?? "")) === wanted, `state ${wanted}`);
  }

  async until(probe: () => boolean | Promise<boolean>, what: string): Promise<void> {
    await eventually(probe, what, 15_000);
  }

  async close(): Promise<void> {
    for (const each of this.#open.reverse()) await each.close();
  }
}

/** One thing a store does, as BullMQ documents it. */
export type Behaviour = readonly [what: string, holds: (world: World) => Promise<void>];

/** Waits for an event, and gives its first argument. */
export function once<T = Record<string, string>>(
  emitter: { once(event: never, listener: never): unknown },
  event: string,
): Promise<T> {
  const listen = emitter.once.bind(emitter) as (event: string, listener: unknown) => unknown;
  return new Promise((resolve) => void listen(event, resolve));
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Compares values as texts, for lists whose order does not matter. */
export function byText(a: unknown, b: unknown): number {
  return String(a) < String(b) ? -1 : 1;
}
