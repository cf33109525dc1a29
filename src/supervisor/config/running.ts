import { existsSync, realpathSync } from "node:fs";
import { basename, dirname } from "node:path";

import { newelError } from "../../base/errors.ts";
import { describeChanges, serviceHash } from "./changes.ts";
import type { ResolvedCommand, ResolvedConfig, ResolvedService } from "./resolved.ts";

/** An app whose configuration is another file than before: absolute paths. */
export interface Move {
  readonly from: string;
  readonly to: string;
}

/** A configuration that may be applied to the running app of the same name. */
export interface Admitted {
  readonly config: ResolvedConfig;
  /** The app runs from another file now. */
  readonly move?: Move;
}

/**
 * Decides whether a configuration may be applied to the app that runs under its name, and completes it with what
 * that app keeps ({@link keepCaller}). A name that was derived from the directory is never taken over from another
 * file; a name that is written may move to another file, if both have a service in common or `move` is given.
 *
 * @param options.move - whether the operator gave `--move`
 * @param options.isThere - whether the file of the running app still exists
 * @throws NEWEL_E_APP_NAME_TAKEN, NEWEL_E_APP_UNRELATED
 */
export function admit(
  given: ResolvedConfig,
  running: ResolvedConfig | undefined,
  options: { readonly move: boolean; readonly isThere: (file: string) => boolean },
): Admitted {
  const config = keepCaller(given, running);
  if (running === undefined || running.file === given.file) return { config };
  const { name, file: here } = given;
  const { file } = running;
  const isRenamed = dirname(file) === dirname(here) && !options.isThere(file);
  if (given.nameFrom === "directory" && !isRenamed)
    throw newelError("NEWEL_E_APP_NAME_TAKEN", { name, file, here, word: basename(dirname(here)) });
  if (!options.move && !isRelated(given, running))
    throw newelError("NEWEL_E_APP_UNRELATED", { name, file, here });
  return { config, move: { from: file, to: here } };
}

function isRelated(a: ResolvedConfig, b: ResolvedConfig): boolean {
  if (a.services.length === 0 || b.services.length === 0) return true;
  return a.services.some(({ name }) => b.services.some((other) => other.name === name));
}

/** `moves from /srv/releases/1/newel.config.ts to /srv/releases/2/newel.config.ts` */
export function describeMove({ from, to }: Move): string {
  return `moves from ${from} to ${to}`;
}

/**
 * The changes of a configuration that the running app does not have yet, for commands that do not apply it:
 * `web: env.PORT changed`. Without the number of replicas, which `newel scale` sets too.
 */
export function pendingChanges(given: ResolvedConfig, running: ResolvedConfig): string[] {
  const config = keepCaller(given, running);
  const changes = config.services.flatMap((service) => {
    const former = running.services.find(({ name }) => name === service.name);
    if (former === undefined) return [`${service.name}: new`];
    return describeChanges({ ...former, replicas: service.replicas }, service).map(
      (change) => `${service.name}: ${change}`,
    );
  });
  const gone = running.services.filter(
    (former) => !config.services.some(({ name }) => name === former.name),
  );
  const ofApp = (["metrics", "on"] as const).flatMap((key) =>
    JSON.stringify(given[key]) === JSON.stringify(running[key]) ? [] : [`${key} changed`],
  );
  return [
    ...ofApp,
    ...changes,
    ...gone.map(({ name }) => `${name}: not in the configuration any more`),
  ];
}

/**
 * A configuration with the values that the running app keeps from its first `up`: the base variables of the shell of that
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
  // A new service of the app gets the values of the other services.
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
  const command = keepProgram(service, former);
  const { hash: _, ...kept } = { ...service, base, command };
  return { ...kept, hash: serviceHash(kept) };
}

/** The program of a command that was searched for in PATH: the name, and the file that was found. */
interface Searched {
  readonly name: string;
  readonly file: string | undefined;
}

/**
 * PATH is kept from the first `up`, and so are the programs found in it: cron's short PATH, which lacks a program
 * or has another one of its name in a later directory, changes nothing. A program of a directory that the kept PATH
 * does not have is another one, and so is any program once the former file is gone. A program of a
 * `node_modules/.bin` belongs to its directory and is not kept for another.
 */
function keepProgram(
  service: ResolvedService,
  former: ResolvedService | undefined,
): ResolvedCommand {
  const { command } = service;
  // A PATH of the configuration is the same for every caller.
  if (former === undefined || service.env["PATH"] !== undefined) return command;
  const [now, before] = [searchedOf(command), searchedOf(former.command)];
  if (now === undefined || before?.file === undefined || now.name !== before.name) return command;
  const { file } = before;
  if (now.file === file || former.binDirectories.includes(dirname(file))) return command;
  if (!isKept(now.file, file, former.base["PATH"]?.split(":") ?? [])) return command;
  if (command.kind === "exec") return { ...command, program: file };
  return command.kind === "node" ? { ...command, nodePath: file } : command;
}

function searchedOf(command: ResolvedCommand): Searched | undefined {
  if (command.kind === "shell") return undefined;
  if (command.kind === "exec") return { name: command.args[0] ?? "", file: command.program };
  const { nodeName: name, nodePath } = command;
  if (name === undefined) return undefined;
  return { name, file: isAbsent(nodePath) ? undefined : nodePath };
}

/** @param path - the directories of the kept PATH */
function isKept(found: string | undefined, former: string, path: readonly string[]): boolean {
  if (found === undefined) return true;
  if (isAbsent(former)) return false;
  if (realpathSync(found) === realpathSync(former)) return true;
  const [first, later] = [path.indexOf(dirname(former)), path.indexOf(dirname(found))];
  return first !== -1 && later > first;
}

const isAbsent = (file: string): boolean => !existsSync(file);
