// The public types of newel/jobs/sqlite. `npm run api` writes this file.

export interface FoundJob {
    readonly queue: string;
    readonly state: string;
    readonly job: JobJson;
    readonly cursor: number;
}

export interface FoundJobs {
    readonly jobs: readonly FoundJob[];
    readonly cursor: number | undefined;
}

export interface JobFilter {
    readonly queue?: string;
    readonly states?: readonly string[];
    readonly name?: string;
    readonly id?: string;
    readonly addedFrom?: number;
    readonly addedBefore?: number;
    readonly finishedFrom?: number;
    readonly finishedBefore?: number;
    readonly whose?: string;
    readonly data?: Readonly<Record<string, string | number | boolean | null>>;
    readonly error?: string;
}

export interface JobStore {
    search(filter?: JobFilter, options?: {
        readonly limit?: number;
        readonly cursor?: number | undefined;
    }): Promise<FoundJobs>;
    counts(): Promise<Record<string, Record<string, number>>>;
    count(filter: JobFilter): Promise<Record<string, number>>;
    prune(filter: JobFilter & {
        readonly olderThan?: Duration;
    }): Promise<number>;
    check(kind?: "quick" | "full"): Promise<readonly string[]>;
    vacuum(): Promise<void>;
    backup(path: string): Promise<void>;
    close(): Promise<void>;
}

export interface RestoredStore {
    readonly path: string;
    readonly kept: string | undefined;
}

export type SqliteConnection = SqliteOptions | string;

export interface SqliteOptions {
    readonly path: string;
    readonly synchronous?: "full" | "normal";
    readonly check?: "quick" | "full" | "off";
    readonly allowUnsafeSqlite?: boolean;
}

export class SqliteQueueBackend extends SqliteQueueTurns implements IQueueBackend {
    #private;
    readonly minimumBlockTimeout = 0.001;
    readonly maximumBlockTimeout = 3600;
    constructor(client: StoreClient, queueName: string, options: BackendOptions, owns: boolean, name: string | undefined);
    startEvents(): void;
    waitUntilReady(): Promise<void>;
    close(_force?: boolean): Promise<void>;
    disconnect(): Promise<void>;
    setName(name: string): Promise<void>;
    forQueue(queueName: string, prefix?: string): IQueueBackend;
    disconnectBlocking(_wait?: boolean): Promise<void>;
    reconnectBlocking(): Promise<void>;
    addJob(job: JobJson, jobId: string, parent?: ParentKeyOpts): Promise<string>;
    addJobs(entries: {
        job: JobJson;
        jobId: string;
        parentKeyOpts?: ParentKeyOpts;
    }[]): Promise<string[]>;
    addFlow(entries: Parameters<IQueueBackend["addFlow"]>[0]): Promise<[Error | null, string | number][]>;
    retryFinishedJob(job: MinimalJob, state: "failed" | "completed", opts?: RetryOptions): Promise<void>;
    promote(jobId: string): Promise<void>;
    retryFinishedJobs(state?: "completed" | "failed", count?: number, timestamp?: number): Promise<number>;
    promoteJobs(count?: number): Promise<number>;
    pause(pause: boolean): Promise<void>;
    drain(delayed: boolean): Promise<void>;
    cleanJobsByState(state: string, timestamp: number, limit?: number): Promise<string[]>;
    obliterate(opts: {
        force: boolean;
        count: number;
    }): Promise<number>;
    removeOrphanedJobs(_count?: number, _limit?: number): Promise<number>;
    updateData(job: MinimalJob, data: unknown): Promise<void>;
    updateProgress(jobId: string, progress: JobProgress): Promise<void>;
    addLog(jobId: string, logRow: string, keepLogs?: number): Promise<number>;
    clearLogs(jobId: string, keepLogs?: number): Promise<void>;
    changeDelay(jobId: string, delay: number): Promise<void>;
    changePriority(jobId: string, priority?: number, lifo?: boolean): Promise<void>;
    remove(jobId: string, removeChildren: boolean): Promise<number>;
    removeUnprocessedChildren(jobId: string): Promise<void>;
    removeChildDependency(jobId: string, parentKey: string): Promise<boolean>;
    removeDeduplicationKey(deduplicationId: string, jobId: string): Promise<number>;
    deleteDeduplicationKey(deduplicationId: string): Promise<number>;
    claimDeduplicationKey(deduplicationId: string, jobId: string): Promise<string>;
    addJobScheduler(id: string, nextMillis: number, templateData: string, templateOpts: JobsOptions, opts: RepeatableOptions, delayedJobOpts: JobsOptions): Promise<[string, number]>;
    updateJobSchedulerNextMillis(id: string, nextMillis: number, _templateData: string, delayedJobOpts: JobsOptions, producerId?: string): Promise<string | null>;
    removeJobScheduler(id: string): Promise<number>;
    setQueueMeta(values: Record<string, string | number>): Promise<number>;
    removeQueueMetaFields(fields: string[]): Promise<number>;
    setRateLimit(expireTimeMs: number): Promise<void>;
    removeRateLimitKey(): Promise<number>;
    removeDeprecatedPriorityKey(): Promise<number>;
    trimEvents(maxLength: number): Promise<number>;
    publishEvent({ event, ...fields }: Record<string, string | number>, maxEvents: number): Promise<string>;
}

export const createSqliteBackend: BackendFactory<SqliteQueueBackend, SqliteConnection>;

export function openJobStore(connection: SqliteConnection): Promise<JobStore>;

export function restoreJobStore(backupPath: string, connection: SqliteConnection): Promise<RestoredStore>;

// Not exported, but used by the types above.

interface AddRequest extends NewJob {
    readonly deduplicate: DeduplicationOptions | null;
    readonly hasChildren: boolean;
}

type Added = string | number;

type AfterQueue<F> = F extends (store: Store, queue: QueueRecord, ...rest: infer Rest) => unknown ? Rest : [];

type Arguments<Name extends OperationName> = AfterQueue<Operations[Name]>;

interface AttemptFields {
    readonly failedReason?: string;
    readonly stacktrace?: string;
}

type BackendOptions = QueueBaseOptions<SqliteConnection> & WorkerSettings & {
    readonly prefix?: string;
};

const CHILD: {
    readonly pending: 0;
    readonly processed: 1;
    readonly ignored: 2;
    readonly failed: 3;
};

type Child = (typeof CHILD)[keyof typeof CHILD];

interface ChildRow {
    readonly key: string;
    readonly kind: Child;
    readonly value: string | null;
}

const DURATION_MS: {
    readonly ms: 1;
    readonly s: 1000;
    readonly m: 60000;
    readonly h: 3600000;
    readonly d: 86400000;
};

type Dependencies = IQueueBackend["getDependencies"];

type Duration = `${number}${keyof typeof DURATION_MS}`;

type EventEntry = [id: string, fields: string[]];

interface Finish {
    readonly id: string;
    readonly token: string;
    readonly target: "completed" | "failed";
    readonly value: string;
    readonly finishedOn: number;
    readonly keep: Keep;
    readonly attempts: number;
    readonly fields: AttemptFields | null;
    readonly metrics: number;
    readonly next: Taker | null;
}

type Finished = number | {
    readonly next: Taken;
};

interface FlowRequest extends AddRequest {
    readonly queueName: string;
}

interface FoundRow {
    readonly key: number;
    readonly queue: string;
    readonly state: string;
    readonly job: JobTuple;
}

interface IterationRequest {
    readonly opts: Readonly<Record<string, unknown>>;
    readonly priority: number;
    readonly lifo: boolean;
    readonly deduplication: string | null;
}

type JobTuple = readonly SQLOutputValue[];

interface Keep {
    readonly count?: number;
    readonly ageMs?: number;
    readonly limit?: number;
}

interface NewJob {
    readonly id: string;
    readonly name: string;
    readonly data: string;
    readonly opts: string;
    readonly addedAt: number;
    readonly delay: number;
    readonly priority: number;
    readonly lifo: boolean;
    readonly parentKey: string | null;
    readonly parent: string | null;
    readonly scheduler: string | null;
    readonly deduplication: string | null;
}

type NextJob = [JobJson | null, string, number, number];

interface OfferedJob {
    accept(token: string): Promise<Taken>;
    decline(): void;
}

type OperationName = keyof Operations;

type Operations = Writes & Reads;

interface Page {
    cursor: string;
    items: {
        id: string;
        v?: unknown;
        err?: string;
    }[];
    total: number;
    jobs?: JobJson[];
}

interface QueueRecord {
    readonly key: number;
    readonly name: string;
    lastId: number;
    lastPriority: number;
    head: number;
    tail: number;
    events: number;
    lastEvent: number;
    readonly counts: number[];
    readonly meta: Record<string, string>;
    limiterCount: number;
    limiterUntil: number;
    stalledCheck: number;
    nextDelayed: number | undefined;
    dirty: boolean;
    touched: boolean;
    readonly pending: string[];
}

interface Reads {
    readonly getJob: typeof reads.getJob;
    readonly getState: typeof reads.getState;
    readonly isInList: typeof reads.isInList;
    readonly isFinished: typeof reads.isFinished;
    readonly getMaxed: typeof reads.getMaxed;
    readonly getCounts: typeof reads.getCounts;
    readonly getCountsPerPriority: typeof reads.getCountsPerPriority;
    readonly getRanges: typeof reads.getRanges;
    readonly getDeduplicationJob: typeof reads.getDeduplicationJob;
    readonly getLogs: typeof reads.getLogs;
    readonly getRateLimit: typeof reads.getRateLimit;
    readonly getChildren: typeof reads.getChildren;
    readonly getChildrenPage: typeof reads.getChildrenPage;
    readonly countDependencies: typeof reads.countDependencies;
    readonly paginateChildren: typeof reads.paginateChildren;
    readonly getMetrics: typeof getMetrics;
    readonly getMeta: typeof meta.getMeta;
    readonly getScheduler: typeof schedulers.getScheduler;
    readonly getSchedulers: typeof schedulers.getSchedulers;
    readonly countSchedulers: typeof schedulers.countSchedulers;
    readonly readEvents: typeof events.readEvents;
    readonly lastEvent: typeof events.lastEvent;
    readonly listClients: typeof listClients;
    readonly searchJobs: typeof search.searchJobs;
    readonly countFound: typeof search.countFound;
    readonly countAll: typeof search.countAll;
}

type Result<Name extends OperationName> = ReturnType<Operations[Name]>;

const STATE: {
    readonly wait: 0;
    readonly prioritized: 1;
    readonly active: 2;
    readonly delayed: 3;
    readonly completed: 4;
    readonly failed: 5;
    readonly waitingChildren: 6;
};

interface SchedulerFields {
    readonly name?: string;
    readonly pattern?: string;
    readonly every?: string;
    readonly offset?: string;
    readonly tz?: string;
    readonly limit?: string;
    readonly startDate?: string;
    readonly endDate?: string;
    readonly data?: string;
    readonly opts?: string;
}

class SqliteQueueReads extends EventEmitter {
    #private;
    protected readonly storeClient: StoreClient;
    protected readonly queueName: string;
    protected readonly prefix: string;
    readonly qualifiedName: string;
    readonly keys: KeysMap;
    protected eventsFrom: Promise<string> | undefined;
    protected blocked: boolean;
    constructor(client: StoreClient, queueName: string, prefix: string);
    toKey(type: string): string;
    parseNodeKey(key: string): {
        prefix: string;
        queueName: string;
        id: string;
    };
    clientName(suffix?: string): string;
    protected call<Name extends OperationName>(operation: Name, ...args: Arguments<Name>): Promise<Result<Name>>;
    getJobData(jobId: string): Promise<JobJson | undefined>;
    getState(jobId: string): Promise<JobState | "unknown">;
    isFinished(jobId: string, returnValue?: boolean): Promise<number | [number, string]>;
    isMaxed(): Promise<boolean>;
    isJobInState(state: string, jobId: string): Promise<boolean>;
    getDeduplicationJobId(deduplicationId: string): Promise<string | null>;
    getJobLogs(jobId: string, start: number, end: number, asc: boolean): Promise<{
        logs: string[];
        count: number;
    }>;
    getRateLimitTtl(maxJobs?: number): Promise<number>;
    getCounts(types: JobType[], delayedTimestamp?: number): Promise<number[]>;
    getCountsPerPriority(priorities: number[]): Promise<number[]>;
    getRanges(types: JobType[], start?: number, end?: number, asc?: boolean): Promise<[string][]>;
    getDependencyCounts(jobId: string, types: string[]): Promise<number[]>;
    getDependencies(jobId: string, opts?: DependenciesOpts): Promise<Awaited<ReturnType<Dependencies>>>;
    getProcessedChildrenValues(jobId: string): Promise<Record<string, string>>;
    getIgnoredChildrenFailures(jobId: string): Promise<Record<string, string>>;
    getMetrics(type: "completed" | "failed", start?: number, end?: number): Promise<[string[], string[], number]>;
    getClientList(): Promise<string[]>;
    paginate(key: string, opts: {
        start: number;
        end: number;
        fetchJobs?: boolean;
    }): Promise<Page>;
    getQueueMetaField(field: string): Promise<string | null>;
    getQueueMetaFields(fields: string[]): Promise<(string | null)[]>;
    getQueueMeta(): Promise<Record<string, string>>;
    hasQueueMetaField(field: string): Promise<boolean>;
    getJobScheduler(id: string): Promise<[string[] | null, string | null]>;
    isJobScheduler(id: string): Promise<boolean>;
    getJobSchedulerData(key: string): Promise<Record<string, string>>;
    getJobSchedulersRange(start: number, end: number, asc: boolean): Promise<string[]>;
    getJobSchedulersCount(): Promise<number>;
    readEvents(id: string, blockTimeout: number): Promise<StreamReadRaw>;
    protected waiting<T>(waiting: Waiting<T>): Promise<T | undefined>;
    protected interrupt(): void;
}

class SqliteQueueTurns extends SqliteQueueReads {
    #private;
    protected readonly options: BackendOptions;
    closing: Promise<void> | undefined;
    constructor(client: StoreClient, queueName: string, options: BackendOptions, takesOffers: boolean);
    waitForJob(blockTimeout: number): Promise<{
        member: string;
        score: number;
    } | null>;
    protected interrupt(): void;
    moveToActive(token: string, name?: string): Promise<NextJob>;
    moveToCompleted(job: MinimalJob, returnValue: unknown, removeOnComplete: boolean | number | KeepJobs, token: string, fetchNext: boolean): Promise<{
        result: NextJob | [];
        finishedOn: number;
    }>;
    moveToFailed(job: MinimalJob, failedReason: string, removeOnFail: boolean | number | KeepJobs, token: string, fetchNext: boolean, fieldsToUpdate?: Record<string, unknown>): Promise<{
        result: NextJob | [];
        finishedOn: number;
    }>;
    moveToDelayed(jobId: string, timestamp: number, delay: number, token?: string, opts?: MoveToDelayedOpts): Promise<NextJob | []>;
    moveToWaitingChildren(jobId: string, token: string, opts?: MoveToWaitingChildrenOpts): Promise<boolean>;
    moveJobFromActiveToWait(jobId: string, token?: string): Promise<number>;
    retryJob(jobId: string, lifo: boolean, token?: string, opts?: RetryJobOpts): Promise<void>;
    moveStalledJobsToWait(): Promise<string[]>;
    extendLock(jobId: string, token: string, duration: number): Promise<number>;
    extendLocks(jobIds: string[], tokens: string[], duration: number): Promise<string[]>;
}

type State = (typeof STATE)[keyof typeof STATE];

class Store {
    #private;
    readonly database: DatabaseSync;
    readonly path: string;
    now: number;
    lockNow: number;
    spanBase: number;
    owner: number;
    onBlocked: () => void;
    onWaiting: () => void;
    onUnblocked: (ms: number) => void;
    isBlocked: (owner: number) => boolean;
    constructor(database: DatabaseSync, path: string, onChange: () => void);
    readClocks(): void;
    get spanNow(): number;
    run(sql: string, ...values: SQLInputValue[]): number;
    get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined;
    all<Row>(sql: string, ...values: SQLInputValue[]): Row[];
    tuple(sql: string, ...values: SQLInputValue[]): SQLOutputValue[] | undefined;
    insert(sql: string, ...values: SQLInputValue[]): number;
    blocked(): void;
    unblocked(): void;
    refresh(): void;
    takeNews(): boolean;
    version(): number;
    isStale(): boolean;
    get isAlone(): boolean;
    lookForOthers(): void;
    forget(): void;
    commit(): void;
    checkpoint(): boolean;
    checkpointAndSync(): boolean;
    walProgress(): {
        readonly frames: number;
        readonly copied: number;
    };
    findQueue(name: string): QueueRecord | undefined;
    countStates(queue: number): number[];
    queue(name: string): QueueRecord;
    queueByKey(key: number): QueueRecord | undefined;
    dropQueue(queue: QueueRecord): void;
    queues(): IterableIterator<QueueRecord>;
    count(queue: QueueRecord, from: State | undefined, to: State | undefined): void;
    touch(queue: QueueRecord): void;
    emit(queue: QueueRecord, event: string, ...fields: string[]): string;
    flush(): void;
    trimEvents(queue: QueueRecord, keep: number): number;
}

class StoreClient {
    #private;
    private constructor();
    static acquire(options: StoreOptions): StoreClient;
    release(): Promise<void>;
    call<Name extends OperationName>(operation: Name, queue: string, ...args: Arguments<Name>): Promise<Result<Name>>;
    upkeep(kind: UpkeepKind, argument?: string): Promise<unknown>;
    guard(): void;
    waitForJob(queue: string, limitMs: number, taker: Taker | null): Waiting<OfferedJob | true>;
    waitForEvents(queue: string, after: string, limitMs: number): Waiting<EventEntry[]>;
}

interface StoreOptions {
    readonly path: string;
    readonly synchronous: "full" | "normal";
    readonly check: "auto" | "quick" | "full" | "off";
    readonly allowUnsafeSqlite: boolean;
}

type Taken = {
    readonly job: JobTuple;
} | {
    readonly limitMs: number;
} | {
    readonly dueAt: number;
} | undefined;

interface Taker {
    readonly token: string;
    readonly lockDuration: number;
    readonly name: string | null;
    readonly limiter: {
        readonly max: number;
        readonly duration: number;
    } | null;
    readonly maxStalledCount: number;
}

type UpkeepKind = "check" | "vacuum" | "backup";

interface Waiting<T> {
    readonly done: Promise<T | undefined>;
    cancel(): void;
}

type WorkerSettings = Partial<Pick<WorkerOptions, "lockDuration" | "limiter" | "name" | "maxStalledCount" | "stalledInterval" | "metrics" | "removeOnComplete" | "removeOnFail">>;

interface Writes {
    readonly addJobs: typeof addJobs;
    readonly addFlow: typeof addFlow;
    readonly takeJob: typeof takeJob;
    readonly adoptJob: typeof adoptJob;
    readonly finishJob: typeof finish.finishJob;
    readonly delayJob: typeof finish.delayJob;
    readonly retryJob: typeof finish.retryJob;
    readonly moveActiveToWait: typeof finish.moveActiveToWait;
    readonly waitForChildren: typeof finish.waitForChildren;
    readonly promote: typeof change.promote;
    readonly changeDelay: typeof change.changeDelay;
    readonly changePriority: typeof change.changePriority;
    readonly updateData: typeof change.updateData;
    readonly updateProgress: typeof change.updateProgress;
    readonly retryFinished: typeof change.retryFinished;
    readonly moveJobsToWait: typeof change.moveJobsToWait;
    readonly removeChildDependency: typeof change.removeChildDependency;
    readonly addLog: typeof change.addLog;
    readonly clearLogs: typeof change.clearLogs;
    readonly cleanJobs: typeof clean.cleanJobs;
    readonly drain: typeof clean.drain;
    readonly obliterate: typeof clean.obliterate;
    readonly pause: typeof clean.pause;
    readonly recoverStalled: typeof recoverStalled;
    readonly extendLock: typeof extendLock;
    readonly extendLocks: typeof extendLocks;
    readonly removeById: typeof removeById;
    readonly removeUnprocessedChildren: typeof removeUnprocessedChildren;
    readonly upsertScheduler: typeof schedulers.upsertScheduler;
    readonly advanceScheduler: typeof schedulers.advanceScheduler;
    readonly removeScheduler: typeof schedulers.removeScheduler;
    readonly setMeta: typeof meta.setMeta;
    readonly removeMeta: typeof meta.removeMeta;
    readonly setRateLimit: typeof meta.setRateLimit;
    readonly removeRateLimit: typeof meta.removeRateLimit;
    readonly removeDeduplication: typeof meta.removeDeduplication;
    readonly claimDeduplication: typeof claimDeduplication;
    readonly publishEvent: typeof events.publishEvent;
    readonly trimEvents: typeof events.trimEvents;
    readonly setClient: typeof setClient;
    readonly pruneJobs: typeof search.pruneJobs;
}

function addFlow(store: Store, _queue: QueueRecord, requests: readonly FlowRequest[]): Added[];

function addJobs(store: Store, queue: QueueRecord, requests: readonly AddRequest[]): Added[];

function addLog(store: Store, queue: QueueRecord, id: string, line: string, keep: number): number;

function adoptJob(store: Store, queue: QueueRecord, id: string, offerToken: string, token: string): number;

function advanceScheduler(store: Store, queue: QueueRecord, id: string, nextMillis: number, producerId: string, iteration: IterationRequest): string | null;

function changeDelay(store: Store, queue: QueueRecord, id: string, delay: number): number;

function changePriority(store: Store, queue: QueueRecord, id: string, priority: number, lifo: boolean): number;

function claimDeduplication(store: Store, queue: QueueRecord, id: string, jobId: string): string;

function cleanJobs(store: Store, queue: QueueRecord, list: string, until: number, limit: number): string[];

function clearLogs(store: Store, queue: QueueRecord, id: string, keep: number): void;

function countAll(store: Store): Record<string, Record<string, number>>;

function countDependencies(store: Store, queue: QueueRecord, id: string): number[];

function countFound(store: Store, _queue: QueueRecord, filter: JobFilter): Record<string, number>;

function countSchedulers(store: Store, queue: QueueRecord): number;

function delayJob(store: Store, queue: QueueRecord, request: {
    readonly id: string;
    readonly token: string;
    readonly timestamp: number;
    readonly delay: number;
    readonly skipAttempt: boolean;
    readonly fields: AttemptFields | null;
    readonly next: Taker | null;
}): Finished;

function drain(store: Store, queue: QueueRecord, delayed: boolean): void;

function extendLock(store: Store, queue: QueueRecord, id: string, token: string, durationMs: number): number;

function extendLocks(store: Store, queue: QueueRecord, ids: readonly string[], tokens: readonly string[], durationMs: number): string[];

function finishJob(store: Store, queue: QueueRecord, finish: Finish): Finished;

function getChildren(store: Store, queue: QueueRecord, id: string): ChildRow[];

function getChildrenPage(store: Store, queue: QueueRecord, id: string, kind: Child, offset: number, count: number): ChildRow[];

function getCounts(store: Store, queue: QueueRecord, lists: readonly string[], dueBefore: number | null): number[];

function getCountsPerPriority(store: Store, queue: QueueRecord, priorities: readonly number[]): number[];

function getDeduplicationJob(store: Store, queue: QueueRecord, id: string): string | null;

function getJob(store: Store, queue: QueueRecord, id: string): JobTuple | undefined;

function getLogs(store: Store, queue: QueueRecord, id: string, start: number, end: number, ascending: boolean): {
    logs: string[];
    count: number;
};

function getMaxed(_store: Store, queue: QueueRecord): boolean;

function getMeta(_store: Store, queue: QueueRecord): Record<string, string>;

function getMetrics(store: Store, queue: QueueRecord, type: "completed" | "failed", start: number, end: number): [string[], string[], number];

function getRanges(store: Store, queue: QueueRecord, lists: readonly string[], start: number, end: number, ascending: boolean): string[][];

function getRateLimit(store: Store, queue: QueueRecord, max: number): number;

function getScheduler(store: Store, queue: QueueRecord, id: string): [string[], string] | [null, null];

function getSchedulers(store: Store, queue: QueueRecord, start: number, end: number, ascending: boolean): string[];

function getState(store: Store, queue: QueueRecord, id: string): string;

function isFinished(store: Store, queue: QueueRecord, id: string): [number, string | null];

function isInList(store: Store, queue: QueueRecord, list: string, id: string): boolean;

function lastEvent(store: Store, queue: QueueRecord): string;

function listClients(store: Store): string[];

function logRange(store: Store, key: number): {
    first: number;
    last: number;
};

function moveActiveToWait(store: Store, queue: QueueRecord, id: string, token: string): number;

function moveJobsToWait(store: Store, queue: QueueRecord, from: "completed" | "failed" | "delayed", count: number, until: number): number;

function obliterate(store: Store, queue: QueueRecord, count: number, force: boolean): number;

function paginateChildren(store: Store, queue: QueueRecord, id: string, processed: boolean, start: number, end: number, withJobs: boolean): {
    items: ChildRow[];
    total: number;
    jobs: JobTuple[];
};

function pause(store: Store, queue: QueueRecord, paused: boolean): void;

function peekMeta(_store: Store, queue: QueueRecord, values: Readonly<Record<string, string>>): number | null;

function promote(store: Store, queue: QueueRecord, id: string): number;

function pruneJobs(store: Store, _queue: QueueRecord, filter: JobFilter, limit: number): number;

function publishEvent(store: Store, queue: QueueRecord, event: string, fields: readonly string[]): string;

function readEvents(store: Store, queue: QueueRecord, after: string): EventEntry[];

function recoverStalled(store: Store, queue: QueueRecord, maxStalledCount: number, intervalMs: number): string[];

function removeById(store: Store, queue: QueueRecord, id: string, removeChildren: boolean): number;

function removeChildDependency(store: Store, queue: QueueRecord, id: string, parentKey: string): number;

function removeDeduplication(store: Store, queue: QueueRecord, id: string, job: string | null): number;

function removeMeta(store: Store, queue: QueueRecord, fields: readonly string[]): number;

function removeRateLimit(store: Store, queue: QueueRecord): number;

function removeScheduler(store: Store, queue: QueueRecord, id: string): number;

function removeUnprocessedChildren(store: Store, queue: QueueRecord, id: string): void;

function retryFinished(store: Store, queue: QueueRecord, id: string, state: "completed" | "failed", options: {
    readonly lifo: boolean;
    readonly resetAttemptsMade: boolean;
    readonly resetAttemptsStarted: boolean;
}): number;

function retryJob(store: Store, queue: QueueRecord, id: string, lifo: boolean, token: string, fields: AttemptFields | null): number;

function searchJobs(store: Store, _queue: QueueRecord, filter: JobFilter, limit: number, before: number | null): FoundRow[];

function setClient(store: Store, _queue: QueueRecord, number: number, name: string | null): void;

function setMeta(store: Store, queue: QueueRecord, values: Readonly<Record<string, string>>): number;

function setRateLimit(store: Store, queue: QueueRecord, durationMs: number): void;

function takeJob(store: Store, queue: QueueRecord, taker: Taker): Taken;

function trimEvents(store: Store, queue: QueueRecord, keep: number): number;

function updateData(store: Store, queue: QueueRecord, id: string, data: string): number;

function updateProgress(store: Store, queue: QueueRecord, id: string, progress: string): number;

function upsertScheduler(store: Store, queue: QueueRecord, id: string, nextMillis: number, fields: SchedulerFields, iteration: IterationRequest): [string, number] | number;

function waitForChildren(store: Store, queue: QueueRecord, id: string, token: string, childKey: string | null): number;

// Types of other packages:
// - BackendFactory from "bullmq"
// - DatabaseSync from "node:sqlite"
// - DeduplicationOptions from "bullmq"
// - DependenciesOpts from "bullmq"
// - EventEmitter from "node:events"
// - IQueueBackend from "bullmq"
// - JobJson from "bullmq"
// - JobProgress from "bullmq"
// - JobState from "bullmq"
// - JobType from "bullmq"
// - JobsOptions from "bullmq"
// - KeepJobs from "bullmq"
// - KeysMap from "bullmq"
// - MinimalJob from "bullmq"
// - MoveToDelayedOpts from "bullmq"
// - MoveToWaitingChildrenOpts from "bullmq"
// - ParentKeyOpts from "bullmq"
// - QueueBaseOptions from "bullmq"
// - RepeatableOptions from "bullmq"
// - RetryJobOpts from "bullmq"
// - RetryOptions from "bullmq"
// - SQLInputValue from "node:sqlite"
// - SQLOutputValue from "node:sqlite"
// - StreamReadRaw from "bullmq"
// - WorkerOptions from "bullmq"
