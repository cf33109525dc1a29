// BullMQ's queues in a SQLite file.
export { createSqliteBackend } from "./factory.ts";
export type { SqliteQueueBackend } from "./backend.ts";
export type { SqliteConnection, SqliteOptions } from "./connection.ts";

// Access to the file for dashboards and operators.
export { restoreJobStore, type RestoredStore } from "./restore.ts";
export { openJobStore, type JobStore, type FoundJob, type FoundJobs } from "./job-store.ts";
export type { JobFilter } from "./operations/search.ts";
