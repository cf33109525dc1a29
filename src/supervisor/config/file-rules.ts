import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";

import { closest } from "../../base/names.ts";
import { type Finding, quoted } from "./problems.ts";
import { dependencies } from "./rules.ts";
import type { CheckedService } from "./schema.ts";

/** Directories and programs that are not there. */
export function fileFindings(name: string, service: CheckedService, directory: string): Finding[] {
  const cwd = resolve(directory, service.cwd ?? ".");
  if (statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true) {
    const says = `is ${quoted(service.cwd ?? ".")}, which is no directory: ${quoted(cwd)}.`;
    return [{ keys: ["services", name, "cwd"], says }];
  }
  // A file that another service builds first may not exist yet.
  const isBuilt = Object.values(dependencies(service)).includes("completed");
  if (service.node === undefined || isBuilt || service.enabled === false) return [];
  const file = resolve(cwd, service.node);
  if (existsSync(file) || existsSync(`${file}.js`)) return [];
  const meant = nearFile(file, service.node);
  const hint = meant === undefined ? "" : ` Did you mean ${quoted(meant)}?`;
  const says = `is ${quoted(service.node)}, which does not exist: ${quoted(file)}.${hint}`;
  return [{ keys: ["services", name, "node"], says }];
}

/** A file of the same directory with a similar name, as the configuration would write it. */
function nearFile(file: string, written: string): string | undefined {
  const directory = dirname(file);
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined;
  const programs = readdirSync(directory).filter((name) => /\.[cm]?[jt]s$/.test(name));
  const stem = (name: string): string => name.replace(/\.[cm]?[jt]s$/, "");
  const meant =
    programs.find((name) => stem(name) === stem(basename(file))) ??
    closest(basename(file), programs);
  return meant === undefined ? undefined : written.slice(0, -basename(file).length) + meant;
}
