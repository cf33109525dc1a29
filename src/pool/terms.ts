import { count, refuse, type RunOptions, type Settings } from "./options.ts";

/** What a caller asked for one task beyond running it. Most tasks have no such terms. */
export interface TaskTerms {
  readonly graceMs: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly onAsk: RunOptions["onAsk"];
}

/** @throws NEWEL_E_POOL_OPTION */
export function termsOf(
  { graceMs, memoryBytes, onAsk }: RunOptions,
  { processGroup }: Settings,
): TaskTerms | undefined {
  if (graceMs === undefined && memoryBytes === undefined && onAsk === undefined) return undefined;
  for (const [option, value, atLeast] of [
    ["graceMs", graceMs, 0],
    ["memoryBytes", memoryBytes, 1],
  ] as const) {
    if (value === undefined) continue;
    count(option, value, atLeast);
    if (!processGroup) throw refuse(option, String(value), "it needs a pool with `processGroup`");
  }
  return { graceMs, memoryBytes, onAsk };
}
