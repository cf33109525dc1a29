import type { Arguments, OperationName } from "./operations.ts";
import { duration, freeText, keyText, optionalKey, whole, wholeSpan } from "./values.ts";

type Reader = (value: unknown) => unknown;

const named =
  (read: (value: unknown, what: string) => unknown, what: string): Reader =>
  (value) =>
    read(value, what);
const listOf =
  (read: Reader): Reader =>
  (values) =>
    (values as readonly unknown[]).map(read);
const asIs: Reader = (value) => value;

const id = named(keyText, "The id of the job");
const key = named(keyText, "The key");
const optional = named(optionalKey, "The key");
const list = named(keyText, "The name of the list");
const token = named(keyText, "The token");
const schedulerId = named(keyText, "The id of the scheduler");
const count = named(whole, "The number");
const time = named(whole, "The time");
const optionalTime: Reader = (value) => (value === null ? null : time(value));
const ms = named(duration, "The duration");
const flag: Reader = Boolean;

/**
 * How the arguments of each operation are read before they leave the caller's thread. Left out are operations without
 * arguments, and those whose one request requests.ts or job-store.ts makes.
 */
const READERS: { readonly [Name in OperationName]?: readonly Reader[] } = {
  getJob: [id],
  getState: [id],
  isFinished: [id],
  isInList: [list, id],
  getCounts: [listOf(list), optionalTime],
  getCountsPerPriority: [listOf(count)],
  getRanges: [listOf(list), count, count, flag],
  getDeduplicationJob: [key],
  getLogs: [id, count, count, flag],
  getRateLimit: [count],
  getChildren: [id],
  getChildrenPage: [id, asIs, count, count],
  countDependencies: [id],
  paginateChildren: [id, flag, count, count, flag],
  getMetrics: [list, count, count],
  getScheduler: [schedulerId],
  getSchedulers: [count, count, flag],
  readEvents: [key],
  retryJob: [id, flag, token, asIs],
  moveActiveToWait: [id, token],
  waitForChildren: [id, token, optional],
  promote: [id],
  changeDelay: [id, named(wholeSpan, "The delay")],
  changePriority: [id, named(whole, "The priority"), flag],
  updateData: [id, asIs],
  updateProgress: [id, asIs],
  retryFinished: [id, asIs, asIs],
  moveJobsToWait: [asIs, count, time],
  removeChildDependency: [id, key],
  addLog: [id, named(freeText, "The line of the log"), count],
  clearLogs: [id, count],
  cleanJobs: [list, time, count],
  obliterate: [count, flag],
  pause: [flag],
  drain: [flag],
  recoverStalled: [count, ms],
  extendLock: [id, token, ms],
  extendLocks: [listOf(id), listOf(token), ms],
  removeById: [id, flag],
  removeUnprocessedChildren: [id],
  upsertScheduler: [schedulerId, time, asIs, asIs],
  advanceScheduler: [schedulerId, time, key, asIs],
  removeScheduler: [schedulerId],
  removeMeta: [listOf(key)],
  setRateLimit: [ms],
  removeDeduplication: [key, optional],
  publishEvent: [key, listOf(named(freeText, "A field of the event"))],
  trimEvents: [count],
};

/** The arguments of an operation as the store takes them. @throws NEWEL_E_STORE_ARGUMENT */
export function readArguments<Name extends OperationName>(
  operation: Name,
  args: Arguments<Name>,
): Arguments<Name> {
  const readers = READERS[operation];
  if (readers === undefined) return args;
  // Each reader returns the type that the operation declares at its position: the table guarantees it.
  return (args as readonly unknown[]).map((value, at) =>
    (readers[at] ?? asIs)(value),
  ) as Arguments<Name>;
}
