import type { Command } from "../command.ts";
import { serviceVerb } from "./service-verb.ts";

export const stop: Command = serviceVerb({
  name: "stop",
  summary: "Stop services; their sockets stay, so that requests wait",
  examples: [{ line: "newel stop worker", does: "stop one service until it is started again" }],
  notes: [
    "Each process gets its stop signal and its time to drain; what outlives that, descendants too, is killed and listed.",
  ],
  concern: "none",
  does: (supervisor, target) => supervisor.stop(target),
});
