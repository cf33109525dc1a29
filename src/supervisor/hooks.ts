import type { CommandReplica } from "./check-command.ts";
import { runCommand } from "./check-command.ts";
import type { ResolvedHooks } from "./config/resolved.ts";
import { shownName } from "./process-names.ts";

/** The last lines of a failed hook that its message has. */
const LINES = 10;

/**
 * Runs a hook of a replica, if its service has one.
 *
 * @returns how it failed, as a sentence without a full stop; `undefined` for success and without a hook
 */
export async function runHook(
  hook: Exclude<keyof ResolvedHooks, "timeoutMs">,
  replica: CommandReplica & { readonly pid: number | undefined },
  signal: AbortSignal,
): Promise<string | undefined> {
  const { spec, run, pid } = replica;
  const command = spec.hooks?.[hook];
  if (command === undefined || spec.hooks === undefined) return undefined;
  const variables = {
    NEWEL_PROCESS: shownName(run),
    ...(pid === undefined ? {} : { NEWEL_PID: String(pid) }),
  };
  const { timeoutMs } = spec.hooks;
  const name = `its hook ${hook}`;
  return runCommand(command, { ...replica, variables }, { timeoutMs, signal, name, shown: LINES });
}
