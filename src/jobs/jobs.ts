import type { IncomingMessage, ServerResponse } from "node:http";

import { newelError } from "../base/errors.ts";
import { trySizeBytes } from "../base/units.ts";
import type {
  EnqueueOptions,
  EventsOptions,
  GivenOf,
  ListFilter,
  QueueStats,
  Run,
  RunEvent,
  RunPage,
  RunTree,
  ScheduleSpec,
  ScheduleView,
  Scope,
} from "./api.ts";
import type { AnyDefinition, AnySchema, EnqueueArguments, JobDefinition } from "./definition.ts";
import { type Flow, flowRequest } from "./flows.ts";
import { PAYLOAD_LIMIT_BYTES } from "./json.ts";
import { checkQueue, optionError } from "./names.ts";
import { enqueueRequest, scheduleRequest } from "./requests.ts";
import type { StoreAccess } from "./store/access.ts";
import { sendTraced } from "./telemetry.ts";
import { pipeSse, sse, type SseOptions } from "./web/sse.ts";
import { status } from "./web/status.ts";
import type { Viewer } from "./web/viewer.ts";

/** Where jobs are, and what they may be. */
export interface JobsOptions {
  /**
   * `"sqlite:./data/jobs.db"`, `"redis://host:6379"` or `"postgres://user@host/db"`. Default:
   * `$NEWEL_JOBS_STORE`, else `"sqlite:./data/jobs.db"`.
   */
  readonly store?: string;
  /** What an input may take as JSON: bytes or `"4MB"`. Default 1 MB. */
  readonly payload?: string | number;
}

export const DEFAULT_STORE = "sqlite:./data/jobs.db";

/**
 * Jobs from the caller's side: hands work over, and tells what became of it. Nothing is opened before
 * the first call. Reads and changes with `by` see only runs that were enqueued with the same `by`.
 */
export class Jobs implements AsyncDisposable {
  #store: string | undefined;
  #payloadBytes = PAYLOAD_LIMIT_BYTES;
  #access: Promise<StoreAccess> | undefined;

  /** @throws NEWEL_E_JOB_OPTION */
  constructor(options: JobsOptions = {}) {
    this.use(options);
  }

  /**
   * Says where the jobs are, before the first call.
   *
   * @throws NEWEL_E_JOB_OPTION an option cannot be used
   * @throws NEWEL_E_JOBS_IN_USE another store is already in use here
   */
  use({ store, payload }: JobsOptions): this {
    if (payload !== undefined) {
      const bytes = typeof payload === "string" ? trySizeBytes(payload) : payload;
      if (bytes === undefined || !Number.isSafeInteger(bytes) || bytes < 1)
        throw optionError("jobs", "payload", payload, '"4MB" or bytes, more than 0');
      this.#payloadBytes = bytes;
    }
    if (store === undefined) return this;
    if (typeof store !== "string" || store === "")
      throw optionError("jobs", "store", store, `a URL, such as "${DEFAULT_STORE}"`);
    if (this.#access !== undefined && store !== this.store)
      throw newelError("NEWEL_E_JOBS_IN_USE", {});
    this.#store = store;
    return this;
  }

  /** The URL of the store. */
  get store(): string {
    const fromEnvironment = process.env["NEWEL_JOBS_STORE"];
    return this.#store ?? (fromEnvironment || DEFAULT_STORE);
  }

  /**
   * As `definition.enqueue`, for jobs that are not the default ones.
   *
   * @throws as `definition.enqueue`
   */
  async enqueue<Schema extends AnySchema, Result>(
    definition: JobDefinition<Schema, Result>,
    ...[input, options = {}]: EnqueueArguments<Schema>
  ): Promise<Run<GivenOf<Schema>, Result>> {
    const request = await this.#request(definition, input, options);
    const access = await this.#open();
    const run = await sendTraced(request, (traced) => access.enqueue(traced));
    return run as Run<GivenOf<Schema>, Result>;
  }

  /** The run, or `undefined`: there is none (any more), or it is somebody else's. */
  async get(id: string, scope?: Scope): Promise<Run | undefined> {
    return (await this.#open()).get(id, scope);
  }

  /** The newest first. */
  async list(filter?: ListFilter): Promise<RunPage> {
    return (await this.#open()).list(filter);
  }

  /** Resolves when the wish is durable: a run that waits never starts, one that runs is stopped. */
  async cancel(id: string, scope?: Scope): Promise<Run | undefined> {
    return (await this.#open()).cancel(id, scope);
  }

  /**
   * A run that failed or was cancelled waits again, with all its attempts.
   *
   * @throws NEWEL_E_JOB_RETRY it is in another state
   */
  async retry(id: string, scope?: Scope): Promise<Run | undefined> {
    return (await this.#open()).retry(id, scope);
  }

  /** The last lines that the handler of a run logged, at most 1,000, the oldest first. */
  async logs(id: string, scope?: Scope): Promise<readonly string[]> {
    return (await this.#open()).logs(id, scope);
  }

  /**
   * What happens to a run, until its end: its state first, or what came `after` an event. Of somebody
   * else's, as of one that does not exist, there are none.
   */
  async *events(id: string, options?: EventsOptions): AsyncGenerator<RunEvent> {
    yield* (await this.#open()).events(id, options);
  }

  /**
   * The events of a run as an event stream for a browser; 403 when it is somebody else's, 404 when there
   * is none, 204 when the browser has them all.
   */
  async sse(id: string, options: SseOptions): Promise<Response> {
    return sse(this, id, options);
  }

  /** As {@link sse}, for a request and a response of `node:http`. Resolves when the answer has ended. */
  async pipeSse(
    id: string,
    request: IncomingMessage,
    response: ServerResponse,
    options: { readonly by: Viewer | undefined },
  ): Promise<void> {
    await pipeSse(this, id, request, response, options);
  }

  /** A run as JSON, without its input; 403 when it is somebody else's, 404 when there is none. */
  async status(id: string, options: { readonly by: Viewer | undefined }): Promise<Response> {
    return status(this, id, options);
  }

  async stats(): Promise<readonly QueueStats[]> {
    return (await this.#open()).stats();
  }

  /** No run of the queue starts until it is resumed. */
  async pause(queue: string): Promise<void> {
    await (await this.#open()).pause(checkQueue(queue, "pause"));
  }

  async resume(queue: string): Promise<void> {
    await (await this.#open()).resume(checkQueue(queue, "resume"));
  }

  /** Removes what waits; with `delayed` also what is delayed. @returns how many */
  async drain(queue: string, options?: { readonly delayed?: boolean }): Promise<number> {
    return (await this.#open()).drain(checkQueue(queue, "drain"), options);
  }

  /** As `definition.schedule`, for jobs that are not the default ones. */
  async schedule<Schema extends AnySchema, Result>(
    definition: JobDefinition<Schema, Result>,
    id: string,
    when: ScheduleSpec,
    ...[input, options = {}]: EnqueueArguments<Schema>
  ): Promise<ScheduleView> {
    const run = await this.#request(definition, input, options);
    return (await this.#open()).schedule(scheduleRequest(id, when, run));
  }

  /** @returns whether there was one */
  async unschedule(
    definition: { readonly options: { readonly queue: string } },
    id: string,
  ): Promise<boolean> {
    return (await this.#open()).unschedule(definition.options.queue, id);
  }

  async schedules(): Promise<readonly ScheduleView[]> {
    return (await this.#open()).schedules();
  }

  /**
   * Enqueues a run that waits until all its children are done, with the children; all or none. If a
   * child fails, what waits for it fails too.
   *
   * @throws as `definition.enqueue`, for any run of it
   */
  async flow<Schema extends AnySchema, Result>(
    flow: Flow<Schema, Result>,
  ): Promise<RunTree<GivenOf<Schema>, Result>> {
    const request = await flowRequest(flow, this.#payloadBytes);
    const tree = await (await this.#open()).flow(request);
    return tree as RunTree<GivenOf<Schema>, Result>;
  }

  /** Ends what was opened. A later call opens it again. */
  async close(): Promise<void> {
    const access = this.#access;
    this.#access = undefined;
    if (access === undefined) return;
    // One that could not be opened has nothing to close, and its callers were told.
    const opened = await access.catch(() => undefined);
    await opened?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #request(definition: AnyDefinition, input: unknown, options: EnqueueOptions) {
    return enqueueRequest(definition, input, options, this.#payloadBytes);
  }

  #open(): Promise<StoreAccess> {
    const access = (this.#access ??= open(this.store));
    access.catch(() => {
      // The next call tries again.
      if (this.#access === access) this.#access = undefined;
    });
    return access;
  }
}

/** BullMQ is loaded with the first call: a program that only defines jobs does not wait for it. */
async function open(url: string): Promise<StoreAccess> {
  const { openStore } = await import("./store/open.ts");
  return openStore(url);
}

/** The jobs of this process: `jobs.use({ store })`, or `$NEWEL_JOBS_STORE`, says where they are. */
export const jobs: Jobs = new Jobs();
