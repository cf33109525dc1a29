import type { Command } from "../command.ts";
import { serviceVerb } from "./service-verb.ts";

export const stop: Command = serviceVerb({
  name: "stop",
  summary: "Stop services; their sockets stay, so that requests wait",
  examples: [
    { line: "newel stop worker", does: "stop one service until it is started again" },
    { line: "newel stop worker --now", does: "kill its processes at once" },
  ],
  usage: "[SERVICE…] [--now] [--app NAME | --all] [--timeout TIME]",
  notes: [
    "The program gets the stop signal once, and its whole process tree has the grace; processes that outlive it are killed and listed. Processes that an ended replica left end too. A second `newel stop` waits for the first; with --now it ends the grace.",
  ],
  options: { now: { summary: "kill the processes at once" } },
  concern: "none",
  does: (supervisor, target, args) => supervisor.stop(target, { now: args.has("now") }),
});
