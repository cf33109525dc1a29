// What the processes of the job server run: the users' modules, one job after the other.
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
import type { JobFacts, RunnerAnswer, RunnerSetup, RunnerTask } from "./protocol.ts";
import { consumerTelemetry } from "./telemetry.ts";

type Telemetry = ReturnType<typeof consumerTelemetry>;

const runner: WorkerDefinition<RunnerTask, RunnerAnswer, Telemetry, never, RunnerSetup> = {
  async setup({ data }: SetupContext<RunnerSetup>): Promise<Telemetry> {
    markConsole(console);
    for (const module of data.modules) await load(module);
    return consumerTelemetry();
  },

  task(task: RunnerTask, context: TaskContext<Telemetry>): RunnerAnswer | Promise<RunnerAnswer> {
    if (task.kind === "describe") return describe();
    const { signal, ask, state: telemetry } = context;
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

function describe(): JobFacts[] {
  return definitions().map(({ name, options }) => ({ name, ...options }));
}
