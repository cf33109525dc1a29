import type { Command } from "../command.ts";
import { serviceVerb } from "./service-verb.ts";

export const reload: Command = serviceVerb({
  name: "reload",
  summary: "Replace processes: start a new one, wait, drain an old one",
  examples: [
    { line: "newel reload web", does: "run new code, without a failed request" },
    { line: "newel reload", does: "reload every service of the app" },
  ],
  notes: [
    "When a new process fails or does not get ready, the old ones keep serving: the last 20 lines of the new one are printed, and the exit code is 1. Changed settings are applied by `newel up`.",
  ],
  concern: "code",
  does: (supervisor, target) => supervisor.reload(target),
});
