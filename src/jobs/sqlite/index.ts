// BullMQ's queues on a file of SQLite.
export { createSqliteBackend } from "./factory.ts";
export type { SqliteQueueBackend } from "./backend.ts";
export type { SqliteConnection, SqliteOptions } from "./connection.ts";

// The file, for dashboards and operators.
export { openJobStore, type JobStore, type FoundJob, type FoundJobs } from "./job-store.ts";
export type { JobFilter } from "./operations/search.ts";
