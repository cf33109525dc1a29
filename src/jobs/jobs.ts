import type { IncomingMessage, ServerResponse } from "node:http";

import { newelError } from "../base/errors.ts";
import { trySizeBytes } from "../base/units.ts";
import type {
  EnqueueOptions,
  EventsOptions,
  JobsAccess,
  ListFilter,
  QueueStats,
  Run,
  RunEvent,
  RunPage,
  RunState,
  RunTree,
  ScheduleSpec,
  ScheduleView,
  Scope,
} from "./api.ts";
import type { GivenOf } from "./definition-types.ts";
import { requireBullmq } from "./bullmq.ts";
import type { AnyDefinition, AnySchema, EnqueueArguments, JobDefinition } from "./definition.ts";
import { defaultStore } from "./default-store.ts";
import { type Flow, flowRequest } from "./flows.ts";
import { PAYLOAD_LIMIT_BYTES } from "./json.ts";
import { checkNames, checkQueue, optionError } from "./names.ts";
import type { AuthKey } from "./remote/address.ts";
import { enqueueRequest, scheduleRequest } from "./requests.ts";
import { currentRun } from "./runner/current.ts";
import { sendTraced } from "./telemetry.ts";
import {
  pipeSse,
  pipeSseRuns,
  sse,
  type SseOptions,
  sseRuns,
  type SseRunsOptions,
  type SseViewer,
} from "./web/sse.ts";
import { status } from "./web/status.ts";
import type { Viewer } from "./web/viewer.ts";

/** The store of jobs and its limits. */
export interface JobsOptions {
  /**
   * `"sqlite:./data/jobs.db"`, `"redis://host:6379"` or `"postgres://user@host/db"`; or
   * `"jobs://host:port"`, a job server on another machine. Default: `$NEWEL_JOBS_STORE`, else
   * `data/jobs.db` in the directory of the nearest `newel.config.*`, else of the nearest package.json.
   */
  readonly store?: string;
  /** The auth key of a `jobs:` store. Default: `$NEWEL_JOBS_AUTHKEY`. */
  readonly authKey?: string;
  /** A file with the auth key in its first line. Default: `$NEWEL_JOBS_AUTHKEY_FILE`. */
  readonly authKeyFile?: string;
  /** The largest size of an input as JSON: bytes or `"4MB"`. Default 1 MB. */
  readonly payload?: string | number;
}

const FINAL_STATES: ReadonlySet<RunState> = new Set(["done", "failed", "cancelled"]);

/** The names of the options that calls take. */
const SCOPE = ["by"];
const FILTER = ["by", "active", "states", "queue", "name", "error", "sinceMs", "limit", "cursor"];

/**
 * The caller's side of jobs: enqueues runs, follows and manages them. No connection is opened before
 * the first call. Reads and changes with `by` see only runs that were enqueued with the same `by`.
 */
export class Jobs implements AsyncDisposable {
  #store: string | undefined;
  #payloadBytes = PAYLOAD_LIMIT_BYTES;
  #authKey: AuthKey = {};
  #access: Promise<JobsAccess> | undefined;

  /** @throws NEWEL_E_JOB_OPTION */
  constructor(options: JobsOptions = {}) {
    this.use(options);
  }

  /**
   * Sets the store. Call it before the first other call.
   *
   * @throws NEWEL_E_JOB_OPTION an option is invalid
   * @throws NEWEL_E_JOBS_IN_USE this object already uses another store
   */
  use(options: JobsOptions): this {
    checkNames("jobs", options, ["store", "payload", "authKey", "authKeyFile"]);
    const { store, payload, ...authKey } = options;
    if (Object.keys(authKey).length > 0) this.#authKey = authKey;
    if (payload !== undefined) {
      const bytes = typeof payload === "string" ? trySizeBytes(payload) : payload;
      if (bytes === undefined || !Number.isSafeInteger(bytes) || bytes < 1)
        throw optionError("jobs", "payload", payload, '"4MB" or bytes, more than 0');
      this.#payloadBytes = bytes;
    }
    if (store === undefined) return this;
    if (typeof store !== "string" || store === "")
      throw optionError("jobs", "store", store, 'a URL, such as "sqlite:./data/jobs.db"');
    if (this.#access !== undefined && store !== this.store)
      throw newelError("NEWEL_E_JOBS_IN_USE", {});
    this.#store = store;
    return this;
  }

  /** The URL of the store; a default store has its absolute path. */
  get store(): string {
    const fromEnvironment = process.env["NEWEL_JOBS_STORE"];
    return this.#store ?? (fromEnvironment || defaultStore(process.cwd()));
  }

  /**
   * Enqueues a run like `definition.enqueue`, in the store of this object.
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
    if (run.id === currentRun().getStore()?.run)
      throw newelError("NEWEL_E_JOB_OWN_KEY", {
        run: run.id,
        job: request.name,
        key: run.key ?? "",
      });
    return run as Run<GivenOf<Schema>, Result>;
  }

  /** Returns the run; `undefined` when it does not exist (any more) or belongs to another owner. */
  async get(id: string, scope?: Scope): Promise<Run | undefined> {
    checkNames("get", scope, SCOPE);
    const run = await (await this.#open()).get(id, scope);
    const isOver = run === undefined || FINAL_STATES.has(run.state);
    currentRun().getStore()?.waits?.read(id, isOver);
    return run;
  }

  /** Lists runs, the newest first. */
  async list(filter?: ListFilter): Promise<RunPage> {
    checkNames("list", filter, FILTER);
    return (await this.#open()).list(filter);
  }

  /** Cancels a run. Resolves when the request is durable: a waiting run never starts, a running one is stopped. */
  async cancel(id: string, scope?: Scope): Promise<Run | undefined> {
    checkNames("cancel", scope, SCOPE);
    return (await this.#open()).cancel(id, scope);
  }

  /**
   * Requeues a failed or cancelled run, with all of its attempts.
   *
   * @throws NEWEL_E_JOB_RETRY the run is in another state
   */
  async retry(id: string, scope?: Scope): Promise<Run | undefined> {
    checkNames("retry", scope, SCOPE);
    return (await this.#open()).retry(id, scope);
  }

  /** Returns the last lines that the handler of a run logged, at most 1,000, the oldest first. */
  async logs(id: string, scope?: Scope): Promise<readonly string[]> {
    checkNames("logs", scope, SCOPE);
    return (await this.#open()).logs(id, scope);
  }

  /**
   * Returns the events of a run until its end: its state first, or the events `after` an event. A run of
   * another owner, like one that does not exist, has no events.
   */
  async *events(id: string, options?: EventsOptions): AsyncGenerator<RunEvent> {
    checkNames("events", options, ["by", "after", "signal"]);
    const over = currentRun().getStore()?.waits?.follow(id);
    try {
      yield* (await this.#open()).events(id, options);
    } finally {
      over?.();
    }
  }

  /**
   * Answers with the events of a run as an event stream for a browser; 403 when it belongs to another owner, 404 when
   * there
   * is none, 204 when the browser has them all.
   */
  async sse(id: string, options: SseOptions): Promise<Response> {
    return sse(this, id, options);
  }

  /**
   * Answers with the events of all runs that the URL of the request names (`?run=ID`, repeated, at most 100), as
   * one event stream, so that a page with many bars needs one connection. Each run is checked as in {@link sse}.
   */
  async sseRuns(options: SseRunsOptions): Promise<Response> {
    return sseRuns(this, options);
  }

  /** Like {@link sse}, for a request and a response of `node:http`. Resolves when the response has ended. */
  async pipeSse(
    id: string,
    request: IncomingMessage,
    response: ServerResponse,
    viewer: SseViewer,
  ): Promise<void> {
    await pipeSse(this, id, request, response, viewer);
  }

  /** Like {@link sseRuns}, for a request and a response of `node:http`. Resolves when the response has ended. */
  async pipeSseRuns(
    request: IncomingMessage,
    response: ServerResponse,
    viewer: SseViewer,
  ): Promise<void> {
    await pipeSseRuns(this, request, response, viewer);
  }

  /** Answers with a run as JSON, without its input; 403 when it belongs to another owner, 404 when there is none. */
  async status(id: string, options: { readonly by: Viewer | undefined }): Promise<Response> {
    return status(this, id, options);
  }

  /** Returns the numbers of each queue: runs by state, runs that are blocked, and whether it is paused. */
  async stats(): Promise<readonly QueueStats[]> {
    return (await this.#open()).stats();
  }

  /** Pauses a queue: none of its runs starts until it is resumed. */
  async pause(queue: string): Promise<void> {
    await (await this.#open()).pause(checkQueue(queue, "pause"));
  }

  /** Resumes a paused queue. */
  async resume(queue: string): Promise<void> {
    await (await this.#open()).resume(checkQueue(queue, "resume"));
  }

  /** Removes waiting runs, with `delayed` also delayed ones. @returns the number of removed runs */
  async drain(queue: string, options?: { readonly delayed?: boolean }): Promise<number> {
    checkNames("drain", options, ["delayed"]);
    return (await this.#open()).drain(checkQueue(queue, "drain"), options);
  }

  /** Creates a schedule like `definition.schedule`, in the store of this object. */
  async schedule<Schema extends AnySchema, Result>(
    definition: JobDefinition<Schema, Result>,
    id: string,
    when: ScheduleSpec,
    ...[input, options = {}]: EnqueueArguments<Schema>
  ): Promise<ScheduleView> {
    const run = await this.#request(definition, input, options);
    return (await this.#open()).schedule(scheduleRequest(id, when, run));
  }

  /** Removes a schedule. @returns whether there was one */
  async unschedule(
    definition: { readonly options: { readonly queue: string } },
    id: string,
  ): Promise<boolean> {
    return (await this.#open()).unschedule(definition.options.queue, id);
  }

  /** Returns the schedules of all queues. */
  async schedules(): Promise<readonly ScheduleView[]> {
    return (await this.#open()).schedules();
  }

  /**
   * Enqueues a run that waits until all of its children are done, together with the children; all or none. If a
   * child fails, the run that waits for it fails too.
   *
   * @throws as `definition.enqueue`, for any run of the flow
   */
  async flow<Schema extends AnySchema, Result>(
    flow: Flow<Schema, Result>,
  ): Promise<RunTree<GivenOf<Schema>, Result>> {
    const request = await flowRequest(flow, this.#payloadBytes);
    const tree = await (await this.#open()).flow(request);
    return tree as RunTree<GivenOf<Schema>, Result>;
  }

  /** Closes the connections. A later call opens them again. */
  async close(): Promise<void> {
    const access = this.#access;
    this.#access = undefined;
    if (access === undefined) return;
    // A store that could not be opened has nothing to close, and its callers got the error.
    const opened = await access.catch(() => undefined);
    await opened?.close();
  }

  /** The same as `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #request(definition: AnyDefinition, input: unknown, options: EnqueueOptions) {
    return enqueueRequest(definition, input, options, this.#payloadBytes);
  }

  #open(): Promise<JobsAccess> {
    const access = (this.#access ??= open(this.store, this.#authKey));
    access.catch(() => {
      // The next call tries again.
      if (this.#access === access) this.#access = undefined;
    });
    return access;
  }
}

/** BullMQ is loaded with the first call, so that a program that only defines jobs does not wait for it. */
async function open(url: string, authKey: AuthKey): Promise<JobsAccess> {
  if (url.startsWith("jobs:")) {
    const { readRemoteUrl } = await import("./remote/address.ts");
    const { RemoteAccess } = await import("./remote/client.ts");
    return new RemoteAccess(readRemoteUrl(url, authKey));
  }
  await requireBullmq();
  const { openStore } = await import("./store/open.ts");
  return openStore(url);
}

/** The jobs of this process. `jobs.use({ store })` or `$NEWEL_JOBS_STORE` sets their store. */
export const jobs: Jobs = new Jobs();
