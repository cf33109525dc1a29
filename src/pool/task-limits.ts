import { AsyncLocalStorage } from "node:async_hooks";

import { refuse } from "./option-rules.ts";
import type { RunOptions } from "./options.ts";
import type { Settings } from "./settings.ts";

/** The limits of one task from its caller's options. Most tasks have no such limits. */
export interface TaskLimits {
  readonly graceMs: (() => number) | undefined;
  readonly memoryBytes: number | undefined;
  readonly onAsk: RunOptions["onAsk"];
  /** Receives the items of a stream, with their size in bytes. */
  readonly onItem: ((item: unknown, bytes: number) => void) | undefined;
}

/**
 * Reads the limits of a task, whose types have been checked. Its callbacks run in the context of
 * this call: they see the caller's AsyncLocalStorage.
 *
 * @throws NEWEL_E_POOL_OPTION
 */
export function limitsOf(
  { graceMs, memoryBytes, onAsk }: RunOptions,
  { processGroup }: Settings,
  onItem?: TaskLimits["onItem"],
): TaskLimits | undefined {
  if (graceMs === undefined && memoryBytes === undefined && onAsk === undefined)
    return onItem === undefined ? undefined : { graceMs, memoryBytes, onAsk, onItem };
  for (const [option, value] of [
    ["graceMs", graceMs],
    ["memoryBytes", memoryBytes],
  ] as const)
    if (value !== undefined && !processGroup)
      throw refuse(option, value, "it needs a pool with `processGroup`");
  const inContext = AsyncLocalStorage.snapshot();
  return {
    graceMs: graceOf(graceMs, inContext),
    memoryBytes,
    onAsk: onAsk === undefined ? undefined : (question, info) => inContext(onAsk, question, info),
    onItem,
  };
}

function graceOf(
  graceMs: RunOptions["graceMs"],
  inContext: ReturnType<typeof AsyncLocalStorage.snapshot>,
): (() => number) | undefined {
  if (graceMs === undefined) return undefined;
  return typeof graceMs === "function" ? () => inContext(graceMs) : () => graceMs;
}
