import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";

import { hasCode, newelError, systemCode } from "../../base/errors.ts";
import { findHome } from "../../base/home.ts";
import { isOtherUser, serviceVariables } from "../../supervisor/launch-request.ts";
import { checkStartable } from "../../supervisor/preflight.ts";
import type { Context } from "../command.ts";
import { printError } from "../output/errors.ts";
import type { Found } from "./find-spec.ts";

/** The exit code of shells for a command that cannot be started. */
const CANNOT_START = 127;
/** Signals that end this command reach the program instead, which decides. */
const PASSED = ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const;
/** A terminal sends these to the program too. */
const OF_TERMINAL = ["SIGINT", "SIGQUIT"] as const;

/**
 * Runs a command with the directory, user, umask and environment of a service, and with the streams of this process.
 *
 * @returns the exit code of the command
 */
export async function runOneOff(
  found: Found,
  command: readonly string[],
  context: Context,
): Promise<number> {
  const { spec } = found;
  try {
    checkStartable({ ...spec, dependsOn: {}, command: { kind: "exec", args: command } });
    return await perform(found, command, context);
  } catch (error) {
    if (!hasCode(error, "NEWEL_E_CANNOT_START")) throw error;
    printError(context.output, error, context.environment);
    return CANNOT_START;
  }
}

async function perform(
  { app, spec, replica }: Found,
  [program = "", ...args]: readonly string[],
  { environment }: Context,
): Promise<number> {
  const run = { app, service: spec.name, slot: replica, run: 0, hash: spec.hash };
  const { uid, gid } = spec.identity ?? {};
  if (spec.umask !== undefined) process.umask(spec.umask);
  const child = spawn(program, args, {
    cwd: spec.cwd,
    env: serviceVariables(spec, run, findHome(environment).directory),
    stdio: "inherit",
    ...(uid === undefined || !isOtherUser(spec) ? {} : { uid }),
    ...(gid === undefined || gid === process.getgid?.() ? {} : { gid }),
  });
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  const ignore = (): void => undefined;
  for (const signal of PASSED) process.on(signal, pass);
  for (const signal of OF_TERMINAL) process.on(signal, ignore);
  try {
    const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } catch (error) {
    const why = `${program} cannot be executed: ${systemCode(error) ?? String(error)}`;
    throw newelError("NEWEL_E_CANNOT_START", { service: spec.name, why }, error);
  } finally {
    for (const signal of PASSED) process.off(signal, pass);
    for (const signal of OF_TERMINAL) process.off(signal, ignore);
  }
}
