import { formatWithOptions } from "node:util";

import { currentRun } from "./current.ts";

const METHODS = ["debug", "log", "info", "warn", "error"] as const;

/** Prefixes every `console` line of a handler with its run and attempt: `[mails~3f… #2] sent`. */
export function markConsole(console: Console): void {
  for (const method of METHODS) {
    const write = console[method].bind(console);
    console[method] = (...args: unknown[]) => {
      const scope = currentRun().getStore();
      if (scope === undefined) write(...args);
      else write("%s", prefixed(`[${scope.run} #${scope.attempt}] `, args));
    };
  }
}

function prefixed(prefix: string, args: readonly unknown[]): string {
  return formatWithOptions({}, ...args)
    .split("\n")
    .map((line) => prefix + line)
    .join("\n");
}
