import { dirname } from "node:path";

import { serviceHash } from "./changes.ts";
import type { ResolvedCommand, ResolvedConfig, ResolvedService } from "./resolved.ts";

/**
 * A configuration with what the running app keeps from its first `up`: the base variables of the shell of that
 * time, and the programs that the caller's PATH does not have. So `up` from npx, cron, ssh or another locale is
 * no change.
 *
 * @param running - the configuration of the app that runs under the same name, if one does
 */
export function keepCaller(
  config: ResolvedConfig,
  running: ResolvedConfig | undefined,
): ResolvedConfig {
  if (running === undefined) return config;
  // A service that is new in the app gets what its neighbours have.
  const [any] = running.services;
  const services = config.services.map((service) => {
    const former = running.services.find(({ name }) => name === service.name);
    return keepService(service, former, (former ?? any)?.base ?? service.base);
  });
  return { ...config, services };
}

function keepService(
  service: ResolvedService,
  former: ResolvedService | undefined,
  base: ResolvedService["base"],
): ResolvedService {
  const command = keepProgram(service.command, former);
  const { hash: _, ...kept } = { ...service, base, command };
  return { ...kept, hash: serviceHash(kept) };
}

/**
 * cron has a short PATH: a program that it lacks is the one that runs, not another one. A program of a
 * `node_modules/.bin` belongs to its directory and is not kept for another.
 */
function keepProgram(
  command: ResolvedCommand,
  former: ResolvedService | undefined,
): ResolvedCommand {
  if (command.kind !== "exec" || former?.command.kind !== "exec") return command;
  const { program, args } = former.command;
  if (command.program !== undefined || program === undefined) return command;
  const isKept = command.args[0] === args[0] && !former.binDirectories.includes(dirname(program));
  return isKept ? { ...command, program } : command;
}
