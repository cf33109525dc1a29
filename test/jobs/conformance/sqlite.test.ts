import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";

import { createSqliteBackend } from "../../../src/jobs/sqlite/index.ts";
import { temporaryDirectory } from "../../helpers/resources.ts";
import { tryBehaviours } from "./behaviours.ts";
import { Coverage, declaredIn } from "./coverage.ts";

/** BullMQ's own mark on the jobs of its schedulers; callers do not pass it. */
const MARKS = new Set(["repeatJobKey"]);

const path = join(temporaryDirectory({ after }), "jobs.db");
const coverage = new Coverage();
const factory = coverage.watch(createSqliteBackend);

tryBehaviours(() => ({ name: "SQLite", connection: `sqlite:${path}`, factory }), { skip: false });

// After the behaviours: the tests of a file run in their order.
test("a behaviour calls every operation of IQueueBackend", () => {
  const declared = declaredIn("queue-backend", "IQueueBackend");
  assert.ok(declared.length > 80, `${declared.length} were read`);
  assert.deepEqual(
    declared.filter((name) => !coverage.operations.has(name)),
    [],
  );
});
test("a behaviour uses every option of queues, workers and readers", () => {
  const declared = [
    ...declaredIn("queue-options", "QueueBaseOptions"),
    ...declaredIn("queue-options", "KeyPrefixOptions"),
    ...declaredIn("queue-options", "QueueOptions"),
    ...declaredIn("queue-options", "QueueEventsOptions"),
    ...declaredIn("queue-options", "FlowProducerOptions"),
    ...declaredIn("worker-options", "WorkerOptions"),
    ...declaredIn("sandboxed-options", "SandboxedOptions"),
  ];
  assert.deepEqual(
    declared.filter((name) => !coverage.options.has(name)),
    [],
  );
});
test("a behaviour uses every option of a job", () => {
  const declared = [
    ...declaredIn("base-job-options", "DefaultJobOptions"),
    ...declaredIn("base-job-options", "BaseJobOptions"),
  ];
  assert.deepEqual(
    declared.filter((name) => !MARKS.has(name) && !coverage.jobOptions.has(name)),
    [],
  );
});
