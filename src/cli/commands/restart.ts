import type { Command } from "../command.ts";
import { checkReplicas } from "../startable.ts";
import { serviceVerb } from "./service-verb.ts";

export const restart: Command = serviceVerb({
  name: "restart",
  summary: "Stop and start services; requests wait in the meantime",
  examples: [{ line: "newel restart worker", does: "stop and start one service" }],
  notes: ["`newel reload` replaces the processes without an interruption."],
  concern: "code",
  check: checkReplicas,
  does: (supervisor, target) => supervisor.restart(target),
});
