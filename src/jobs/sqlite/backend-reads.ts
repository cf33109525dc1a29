import { EventEmitter } from "node:events";

import type {
  DependenciesOpts,
  IQueueBackend,
  JobJson,
  JobState,
  JobType,
  KeysMap,
  QueueBaseOptions,
  StreamReadRaw,
} from "bullmq";

import { parseStored } from "../stored-json.ts";
import { unreadable } from "../unreadable.ts";
import { readArguments } from "./arguments.ts";
import { jobJson } from "./job-json.ts";
import type { Arguments, OperationName, Result } from "./operations.ts";
import type { SqliteConnection } from "./connection.ts";
import type { WorkerSettings } from "./requests.ts";
import { CHILD, type Child } from "./states.ts";
import type { StoreClient, Waiting } from "./store-client.ts";
import { keyText } from "./values.ts";

/** The arguments that BullMQ's classes pass to their backend. */
export type BackendOptions = QueueBaseOptions<SqliteConnection> &
  WorkerSettings & { readonly prefix?: string };

const KEYS = [
  "",
  "active",
  "wait",
  "waiting-children",
  "paused",
  "id",
  "delayed",
  "prioritized",
  "stalled-check",
  "completed",
  "failed",
  "stalled",
  "repeat",
  "limiter",
  "meta",
  "events",
  "pc",
  "marker",
  "de",
] as const;

/** A queue's identity and the operations that only read; {@link SqliteQueueBackend} adds those that write. */
export class SqliteQueueReads extends EventEmitter {
  protected readonly storeClient: StoreClient;
  protected readonly queueName: string;
  protected readonly prefix: string;
  readonly qualifiedName: string;
  readonly keys: KeysMap;
  /** The start position of a reader that asks for events from now on. */
  protected eventsFrom: Promise<string> | undefined;
  readonly #waitings = new Set<Waiting<unknown>>();
  protected blocked = false;

  constructor(client: StoreClient, queueName: string, prefix: string) {
    super();
    this.storeClient = client;
    this.queueName = queueName;
    this.prefix = prefix;
    this.qualifiedName = `${prefix}:${queueName}`;
    this.keys = Object.fromEntries(KEYS.map((key) => [key, this.toKey(key)]));
  }

  toKey(type: string): string {
    return `${this.qualifiedName}:${type}`;
  }

  /**
   * The key of a job in a flow, in parts. The name of a queue has no colon; an id has none or two, which are taken as
   * parts of it where the prefix is this queue's.
   */
  parseNodeKey(key: string): { prefix: string; queueName: string; id: string } {
    const { prefix } = this;
    const own = key.startsWith(`${prefix}:`) ? key.slice(prefix.length + 1).split(":") : [];
    const [name = "", ...id] = own;
    if (own.length === 2 || own.length === 4) return { prefix, queueName: name, id: id.join(":") };
    const parts = key.split(":");
    const last = parts.pop() ?? "";
    const queueName = parts.pop() ?? "";
    return { prefix: parts.join(":"), queueName, id: last };
  }

  clientName(suffix = ""): string {
    return `${this.prefix}:${Buffer.from(this.queueName).toString("base64")}${suffix}`;
  }

  protected call<Name extends OperationName>(
    operation: Name,
    ...args: Arguments<Name>
  ): Promise<Result<Name>> {
    try {
      const read = readArguments(operation, args);
      return this.storeClient.call(operation, this.qualifiedName, ...read);
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async getJobData(jobId: string): Promise<JobJson | undefined> {
    const row = await this.call("getJob", jobId);
    return row === undefined ? undefined : jobJson(row);
  }

  async getState(jobId: string): Promise<JobState | "unknown"> {
    return (await this.call("getState", jobId)) as JobState | "unknown";
  }

  async isFinished(jobId: string, returnValue = false): Promise<number | [number, string]> {
    const [status, value] = await this.call("isFinished", jobId);
    if (!returnValue) return status;
    const missing = `Missing key for job ${this.toKey(jobId)}. isFinished`;
    return [status, status < 0 ? missing : (value ?? "")];
  }

  isMaxed(): Promise<boolean> {
    return this.call("getMaxed");
  }

  isJobInState(state: string, jobId: string): Promise<boolean> {
    return this.call("isInList", state, jobId);
  }

  getDeduplicationJobId(deduplicationId: string): Promise<string | null> {
    return this.call("getDeduplicationJob", deduplicationId);
  }

  getJobLogs(
    jobId: string,
    start: number,
    end: number,
    asc: boolean,
  ): Promise<{ logs: string[]; count: number }> {
    return this.call("getLogs", jobId, start, end, asc);
  }

  getRateLimitTtl(maxJobs = 0): Promise<number> {
    return this.call("getRateLimit", maxJobs);
  }

  getCounts(types: JobType[], delayedTimestamp?: number): Promise<number[]> {
    return this.call("getCounts", types, delayedTimestamp ?? null);
  }

  getCountsPerPriority(priorities: number[]): Promise<number[]> {
    return this.call("getCountsPerPriority", priorities);
  }

  async getRanges(types: JobType[], start = 0, end = 1, asc = false): Promise<[string][]> {
    // The interface says lists of one id; BullMQ's own stores give lists of any length, as here.
    return (await this.call("getRanges", types, start, end, asc)) as unknown as [string][];
  }

  async getDependencyCounts(jobId: string, types: string[]): Promise<number[]> {
    const counts = await this.call("countDependencies", jobId);
    return types.map((type) => counts[CHILD_LISTS[type] ?? -1] ?? 0);
  }

  async getDependencies(
    jobId: string,
    opts: DependenciesOpts = {},
  ): Promise<Awaited<ReturnType<Dependencies>>> {
    const asked = Object.entries(CHILD_LISTS).filter(([list]) => opts[list as ChildList]);
    if (asked.length === 0) {
      const rows = await this.call("getChildren", jobId);
      return Object.assign(
        {},
        ...Object.entries(CHILD_LISTS).map(([list, kind]) =>
          dependencies(
            list as ChildList,
            rows.filter((row) => row.kind === kind),
          ),
        ),
      ) as Awaited<ReturnType<Dependencies>>;
    }
    const pages = await Promise.all(
      asked.map(async ([list, kind]) => {
        const { cursor = 0, count = 20 } = opts[list as ChildList] ?? {};
        const rows = await this.call("getChildrenPage", jobId, kind, cursor, count);
        const next = rows.length < count ? 0 : cursor + count;
        const name = `next${list.charAt(0).toUpperCase()}${list.slice(1)}Cursor`;
        return { ...dependencies(list as ChildList, rows), [name]: next };
      }),
    );
    return Object.assign({}, ...pages) as Awaited<ReturnType<Dependencies>>;
  }

  async getProcessedChildrenValues(jobId: string): Promise<Record<string, string>> {
    const values = await this.#childValues(jobId, CHILD.processed);
    // The handler of a parent must not continue with fewer or other results.
    for (const [child, value] of Object.entries(values))
      if (parseStored(value) === undefined) throw unreadable(child, "result");
    return values;
  }

  async getIgnoredChildrenFailures(jobId: string): Promise<Record<string, string>> {
    return this.#childValues(jobId, CHILD.ignored);
  }

  async #childValues(jobId: string, kind: Child): Promise<Record<string, string>> {
    const rows = await this.call("getChildren", jobId);
    return Object.fromEntries(
      rows.filter((row) => row.kind === kind).map(({ key, value }) => [key, value ?? "null"]),
    );
  }

  getMetrics(
    type: "completed" | "failed",
    start = 0,
    end = -1,
  ): Promise<[string[], string[], number]> {
    return this.call("getMetrics", type, start, end);
  }

  async getClientList(): Promise<string[]> {
    return [(await this.call("listClients")).join("\n")];
  }

  /** Pages through the children of a job: `…:ID:processed` or `…:ID:dependencies`. */
  async paginate(
    key: string,
    opts: { start: number; end: number; fetchJobs?: boolean },
  ): Promise<Page> {
    const match = /^(?<id>.*):(?<list>processed|dependencies)$/.exec(
      keyText(key, "The key").slice(this.qualifiedName.length + 1),
    );
    const { id = "", list } = match?.groups ?? {};
    const processed = list === "processed";
    const { start, end, fetchJobs = false } = opts;
    const page = await this.call("paginateChildren", id, processed, start, end, fetchJobs);
    return {
      cursor: "0",
      items: page.items.map(({ key, value }) => ({
        id: key,
        ...(processed ? { v: valueOf(value) } : {}),
      })),
      total: page.total,
      jobs: page.jobs.map(jobJson),
    };
  }

  async getQueueMetaField(field: string): Promise<string | null> {
    return (await this.call("getMeta"))[field] ?? null;
  }

  async getQueueMetaFields(fields: string[]): Promise<(string | null)[]> {
    const meta = await this.call("getMeta");
    return fields.map((field) => meta[field] ?? null);
  }

  getQueueMeta(): Promise<Record<string, string>> {
    return this.call("getMeta");
  }

  async hasQueueMetaField(field: string): Promise<boolean> {
    return (await this.call("getMeta"))[field] !== undefined;
  }

  async getJobScheduler(id: string): Promise<[string[] | null, string | null]> {
    return this.call("getScheduler", id);
  }

  async isJobScheduler(id: string): Promise<boolean> {
    return (await this.call("getScheduler", id))[0] !== null;
  }

  async getJobSchedulerData(key: string): Promise<Record<string, string>> {
    const [flat] = await this.call("getScheduler", key);
    const pairs = (flat ?? []).flatMap((name, at) =>
      at % 2 === 0 ? [[name, flat?.[at + 1] ?? ""]] : [],
    );
    return Object.fromEntries(pairs) as Record<string, string>;
  }

  getJobSchedulersRange(start: number, end: number, asc: boolean): Promise<string[]> {
    return this.call("getSchedulers", start, end, asc);
  }

  getJobSchedulersCount(): Promise<number> {
    return this.call("countSchedulers");
  }

  /** @param blockTimeout - milliseconds; 0 for no limit */
  async readEvents(id: string, blockTimeout: number): Promise<StreamReadRaw> {
    const after = id === "$" ? await (this.eventsFrom ?? this.call("lastEvent")) : id;
    // A second "from now on" starts where the first one did, so that no event between them is missed.
    if (id === "$") this.eventsFrom = Promise.resolve(after);
    const limit = blockTimeout > 0 ? blockTimeout : LONGEST_MS;
    const events =
      limit < LOOK_MS
        ? await this.call("readEvents", after)
        : await this.waiting(this.storeClient.waitForEvents(this.qualifiedName, after, limit));
    return events === undefined || events.length === 0 ? null : [[this.toKey("events"), events]];
  }

  /** Waits unless it was interrupted before; an interrupt ends the wait. */
  protected async waiting<T>(waiting: Waiting<T>): Promise<T | undefined> {
    this.#waitings.add(waiting);
    if (this.blocked) waiting.cancel();
    try {
      return await waiting.done;
    } finally {
      this.#waitings.delete(waiting);
    }
  }

  protected interrupt(): void {
    this.blocked = true;
    for (const waiting of this.#waitings) waiting.cancel();
  }
}

/** A wait this short might end before the store answers, so it becomes a read without a wait. In milliseconds. */
const LOOK_MS = 50;
/** The longest delay of a Node.js timer. */
export const LONGEST_MS: number = 2 ** 31 - 1;

interface Page {
  cursor: string;
  items: { id: string; v?: unknown; err?: string }[];
  total: number;
  jobs?: JobJson[];
}

type Dependencies = IQueueBackend["getDependencies"];
type ChildList = keyof DependenciesOpts;

const CHILD_LISTS: Readonly<Record<string, Child>> = {
  processed: CHILD.processed,
  unprocessed: CHILD.pending,
  ignored: CHILD.ignored,
  failed: CHILD.failed,
};

function dependencies(
  list: ChildList,
  rows: readonly { key: string; value: string | null }[],
): Record<string, unknown> {
  if (list === "unprocessed" || list === "failed") return { [list]: rows.map(({ key }) => key) };
  const value = (text: string | null): unknown => (list === "processed" ? valueOf(text) : text);
  return { [list]: Object.fromEntries(rows.map((row) => [row.key, value(row.value)])) };
}

/** The result of a child in a list; a damaged one is shown as its text. */
function valueOf(text: string | null): unknown {
  const stored = parseStored(text ?? "null");
  return stored === undefined ? text : stored.value;
}
