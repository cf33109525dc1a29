import { FlowProducer } from "bullmq";

import type {
  EnqueueRequest,
  EventsOptions,
  FlowRequest,
  JobsAccess,
  ListFilter,
  QueueStats,
  Run,
  RunEvent,
  RunPage,
  RunTree,
  ScheduleRequest,
  ScheduleView,
  Scope,
} from "../api.ts";
import { RunEvents } from "../events/events.ts";
import { type JobStore, openJobStore } from "../sqlite/job-store.ts";
import type { Backend } from "./backend.ts";
import { cancel, retry } from "./change.ts";
import { enqueue } from "./enqueue.ts";
import { addFlow } from "./flow.ts";
import { readFilter } from "./filter.ts";
import { listOnFile } from "./list-on-file.ts";
import { listOnServer } from "./list-on-server.ts";
import { lastLogs, lookAt } from "./look.ts";
import { cancelledOnFile, cancelledOnServer, drain, stats } from "./manage.ts";
import { namesOnFile, namesOnServer, type QueueNames } from "./names.ts";
import { Queues } from "./queues.ts";
import { schedule, schedules } from "./schedules.ts";
import { serverError } from "./servers.ts";

/** Access to jobs in a store that this process opens itself. */
export class StoreAccess implements JobsAccess {
  readonly #backend: Backend;
  readonly #queues: Queues;
  readonly #names: QueueNames;
  #file: Promise<JobStore> | undefined;
  #producer: FlowProducer | undefined;
  readonly #events: RunEvents;

  constructor(backend: Backend) {
    this.#backend = backend;
    this.#queues = new Queues(backend);
    this.#names =
      backend.kind === "sqlite" ? namesOnFile(() => this.#openFile()) : namesOnServer(this.#queues);
    const { blocking: connection, factory } = backend;
    this.#events = new RunEvents({
      open: (queue) => factory(queue, { connection } as never, { blocking: true }),
      read: (id) => lookAt(this.#queues, id, undefined),
      // The reader retries by itself; listeners get the state in the meantime.
      onError: () => undefined,
    });
  }

  async enqueue(request: EnqueueRequest): Promise<Run> {
    return this.#ask(async () => {
      await this.#names.remember(request.queue);
      return enqueue(this.#queues, request);
    });
  }

  async get(id: string, scope?: Scope): Promise<Run | undefined> {
    return this.#ask(() => lookAt(this.#queues, id, scope));
  }

  async list(filter: ListFilter = {}): Promise<RunPage> {
    const wanted = readFilter(filter);
    return this.#ask(async () =>
      this.#backend.kind === "sqlite"
        ? listOnFile(await this.#openFile(), this.#queues, wanted)
        : listOnServer(this.#queues, await this.#names.all(), wanted),
    );
  }

  async cancel(id: string, scope?: Scope): Promise<Run | undefined> {
    return this.#ask(() => cancel(this.#queues, id, scope));
  }

  async retry(id: string, scope?: Scope): Promise<Run | undefined> {
    return this.#ask(() => retry(this.#queues, id, scope));
  }

  async logs(id: string, scope?: Scope): Promise<readonly string[]> {
    return this.#ask(() => lastLogs(this.#queues, id, scope));
  }

  async *events(id: string, options: EventsOptions = {}): AsyncGenerator<RunEvent> {
    const { by, ...others } = options;
    const scope = "by" in options ? { by } : {};
    if ((await this.get(id, scope as Scope)) === undefined) return;
    yield* this.#events.events(id, others);
  }

  async stats(): Promise<readonly QueueStats[]> {
    return this.#ask(async () => {
      const names = await this.#names.all();
      const cancelled =
        this.#backend.kind === "sqlite"
          ? await cancelledOnFile(await this.#openFile())
          : await cancelledOnServer(this.#queues, names);
      return stats(this.#queues, names, cancelled);
    });
  }

  async pause(queue: string): Promise<void> {
    await this.#ask(async () => {
      await this.#names.remember(queue);
      await this.#queues.writer(queue).pause();
    });
  }

  async resume(queue: string): Promise<void> {
    await this.#ask(() => this.#queues.writer(queue).resume());
  }

  async drain(queue: string, options: { readonly delayed?: boolean } = {}): Promise<number> {
    return this.#ask(() => drain(this.#queues.reader(queue), options.delayed === true));
  }

  async schedule(request: ScheduleRequest): Promise<ScheduleView> {
    return this.#ask(async () => {
      await this.#names.remember(request.run.queue);
      return schedule(this.#queues, request);
    });
  }

  async unschedule(queue: string, id: string): Promise<boolean> {
    return this.#ask(() => this.#queues.reader(queue).removeJobScheduler(id));
  }

  async schedules(): Promise<readonly ScheduleView[]> {
    return this.#ask(async () => schedules(this.#queues, await this.#names.all()));
  }

  async flow(request: FlowRequest): Promise<RunTree> {
    return this.#ask(async () => {
      for (const queue of queuesOf(request)) await this.#names.remember(queue);
      return addFlow(this.#queues, this.#openProducer(), request);
    });
  }

  async close(): Promise<void> {
    await this.#events.close();
    await this.#producer?.close();
    const file = await this.#file?.catch(() => undefined);
    await file?.close();
    await this.#queues.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #ask<Value>(call: () => Promise<Value>): Promise<Value> {
    try {
      return await call();
    } catch (error) {
      throw this.#backend.kind === "sqlite" ? error : serverError(this.#backend.url, error);
    }
  }

  #openFile(): Promise<JobStore> {
    const file = (this.#file ??= openJobStore(this.#backend.url));
    file.catch(() => (this.#file = undefined));
    return file;
  }

  #openProducer(): FlowProducer {
    if (this.#producer !== undefined) return this.#producer;
    const { connection, factory } = this.#backend;
    this.#producer = new FlowProducer({ connection } as never, factory as never);
    this.#producer.on("error", () => undefined);
    return this.#producer;
  }
}

function queuesOf({ run, children }: FlowRequest): readonly string[] {
  return [...new Set([run.queue, ...children.flatMap(queuesOf)])];
}
