import { addFlow, addJobs } from "./operations/add.ts";
import * as change from "./operations/change.ts";
import * as clean from "./operations/clean.ts";
import { listClients, setClient } from "./operations/clients.ts";
import { claimDeduplication } from "./operations/deduplicate.ts";
import * as events from "./operations/events.ts";
import * as finish from "./operations/finish.ts";
import { extendLock, extendLocks } from "./operations/locks.ts";
import { adoptJob } from "./operations/offer.ts";
import { getMetrics } from "./operations/metrics.ts";
import * as meta from "./operations/queue-meta.ts";
import * as reads from "./operations/reads.ts";
import { removeById, removeUnprocessedChildren } from "./operations/remove.ts";
import * as schedulers from "./operations/schedulers.ts";
import * as search from "./operations/search.ts";
import { peekStalled, recoverStalled } from "./operations/stalled.ts";
import { peekJob, takeJob } from "./operations/take.ts";
import type { QueueRecord } from "./queue-record.ts";
import type { Store } from "./store.ts";

/** The operations that the store thread runs in a transaction: one table for both ends of the calls. */
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

const WRITES: Writes = {
  addJobs,
  addFlow,
  takeJob,
  adoptJob,
  finishJob: finish.finishJob,
  delayJob: finish.delayJob,
  retryJob: finish.retryJob,
  moveActiveToWait: finish.moveActiveToWait,
  waitForChildren: finish.waitForChildren,
  promote: change.promote,
  changeDelay: change.changeDelay,
  changePriority: change.changePriority,
  updateData: change.updateData,
  updateProgress: change.updateProgress,
  retryFinished: change.retryFinished,
  moveJobsToWait: change.moveJobsToWait,
  removeChildDependency: change.removeChildDependency,
  addLog: change.addLog,
  clearLogs: change.clearLogs,
  cleanJobs: clean.cleanJobs,
  drain: clean.drain,
  obliterate: clean.obliterate,
  pause: clean.pause,
  recoverStalled,
  extendLock,
  extendLocks,
  removeById,
  removeUnprocessedChildren,
  upsertScheduler: schedulers.upsertScheduler,
  advanceScheduler: schedulers.advanceScheduler,
  removeScheduler: schedulers.removeScheduler,
  setMeta: meta.setMeta,
  removeMeta: meta.removeMeta,
  setRateLimit: meta.setRateLimit,
  removeRateLimit: meta.removeRateLimit,
  removeDeduplication: meta.removeDeduplication,
  claimDeduplication,
  publishEvent: events.publishEvent,
  trimEvents: events.trimEvents,
  setClient,
  pruneJobs: search.pruneJobs,
};

/** The operations that only read. */
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

const READS: Reads = {
  getJob: reads.getJob,
  getState: reads.getState,
  isInList: reads.isInList,
  isFinished: reads.isFinished,
  getMaxed: reads.getMaxed,
  getCounts: reads.getCounts,
  getCountsPerPriority: reads.getCountsPerPriority,
  getRanges: reads.getRanges,
  getDeduplicationJob: reads.getDeduplicationJob,
  getLogs: reads.getLogs,
  getRateLimit: reads.getRateLimit,
  getChildren: reads.getChildren,
  getChildrenPage: reads.getChildrenPage,
  countDependencies: reads.countDependencies,
  paginateChildren: reads.paginateChildren,
  getMetrics,
  getMeta: meta.getMeta,
  getScheduler: schedulers.getScheduler,
  getSchedulers: schedulers.getSchedulers,
  countSchedulers: schedulers.countSchedulers,
  readEvents: events.readEvents,
  lastEvent: events.lastEvent,
  listClients,
  searchJobs: search.searchJobs,
  countFound: search.countFound,
  countAll: search.countAll,
};

type Operations = Writes & Reads;
export type OperationName = keyof Operations;
type AfterQueue<F> = F extends (store: Store, queue: QueueRecord, ...rest: infer Rest) => unknown
  ? Rest
  : [];
/** The arguments of an operation without its queue. */
export type Arguments<Name extends OperationName> = AfterQueue<Operations[Name]>;
export type Result<Name extends OperationName> = ReturnType<Operations[Name]>;

/** Any operation, called with the arguments that its caller sent. */
export type AnyOperation = (
  store: Store,
  queue: QueueRecord,
  ...rest: readonly unknown[]
) => unknown;

export function writeOf(name: string): AnyOperation | undefined {
  return Object.hasOwn(WRITES, name) ? (WRITES[name as keyof Writes] as AnyOperation) : undefined;
}

export function readOf(name: string): AnyOperation | undefined {
  return Object.hasOwn(READS, name) ? (READS[name as keyof Reads] as AnyOperation) : undefined;
}

/** Answers of operations that would write nothing, found without a lock; `null` when the operation has to run. */
const PEEKS: Readonly<Record<string, AnyOperation>> = {
  takeJob: peekJob as AnyOperation,
  recoverStalled: peekStalled as AnyOperation,
  setMeta: meta.peekMeta as AnyOperation,
};

export function peekOf(name: string): AnyOperation | undefined {
  return PEEKS[name];
}
