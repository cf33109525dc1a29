import type { Command } from "../command.ts";
import { checkReplicas } from "../startable.ts";
import { serviceVerb } from "./service-verb.ts";

export const start: Command = serviceVerb({
  name: "start",
  summary: "Start services that are stopped, and wait until they are ready",
  examples: [
    { line: "newel start worker", does: "start one service" },
    { line: "newel start 'web*'", does: "start all services whose names begin with web" },
  ],
  notes: [
    "If a service does not get ready, its last 20 lines are printed, and the exit code is 1. `newel up` starts services that are new in the configuration.",
  ],
  concern: "code",
  check: checkReplicas,
  does: (supervisor, target) => supervisor.start(target),
});
