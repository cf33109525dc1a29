// The entry point of the job server's processes: it loads the users' modules and runs their jobs.
import { fileURLToPath } from "node:url";

import { messageOf, newelError } from "../../base/errors.ts";
import type {
  SetupContext,
  TaskContext,
  WorkerDefinition,
} from "../../pool/worker/define-worker.ts";
import type { JobDefinition } from "../definition.ts";
import { definitions, findDefinition } from "../registry.ts";
import { runAttempt } from "./attempt.ts";
import { markConsole } from "./console.ts";
import { reportCrashes } from "./crash.ts";
import { keepLastLines } from "./last-lines.ts";
import type { Description, RunnerAnswer, RunnerSetup, RunnerTask } from "./protocol.ts";
import { consumerTelemetry } from "./telemetry.ts";

type Telemetry = ReturnType<typeof consumerTelemetry>;

/** Resident memory when the modules were loaded, in bytes. */
let freshBytes = 0;

const runner: WorkerDefinition<RunnerTask, RunnerAnswer, Telemetry, never, RunnerSetup> = {
  async setup({ data }: SetupContext<RunnerSetup>): Promise<Telemetry> {
    markConsole(console);
    keepLastLines(process.stderr);
    reportCrashes();
    for (const module of data.modules) await load(module);
    freshBytes = process.memoryUsage.rss();
    return consumerTelemetry();
  },

  task(task: RunnerTask, context: TaskContext<Telemetry>): RunnerAnswer | Promise<RunnerAnswer> {
    if (task.kind === "describe") return describe();
    const { signal, ask, state: telemetry } = context;
    if (task.isMeasured === true) {
      const rssBytes = process.memoryUsage.rss();
      // The run does not wait for the answer, and other messages report a broken connection.
      ask({ kind: "begun", pid: process.pid, rssBytes, freshBytes }).catch(() => undefined);
    }
    const definition = findDefinition(task.name) as JobDefinition | undefined;
    return runAttempt(definition, task, signal, ask, telemetry?.(task));
  },
};

export default runner;

async function load(module: string): Promise<void> {
  try {
    await import(module);
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
    throw newelError("NEWEL_E_JOBS_MODULE", { module: fileURLToPath(module), why }, error);
  }
}

function describe(): Description {
  return { facts: definitions().map(({ name, options }) => ({ name, ...options })), freshBytes };
}
