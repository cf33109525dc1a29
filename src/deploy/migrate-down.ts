import { dirname } from "node:path";

import { messageOf } from "../base/errors.ts";
import type { ResolvedDeploy } from "../supervisor/config/deploy-types.ts";
import { runCommand } from "./command.ts";
import type { Release } from "./records.ts";

/**
 * Undoes the migration of a release that did not become live, where it ran and `migrateDown` is configured.
 *
 * @returns a sentence about it; empty when no migration ran
 */
export async function migrateDown(
  { migrated, step, file }: Release,
  {
    settings,
    environment,
    print,
  }: {
    readonly settings: ResolvedDeploy | undefined;
    readonly environment: NodeJS.ProcessEnv;
    readonly print: (text: string) => void;
  },
): Promise<string> {
  const migration = settings?.commands.migrate;
  const line = settings?.commands.migrateDown;
  if (settings === undefined || migration === undefined) return "";
  if (migrated !== true)
    return step === "migrate" ? `The migration \`${migration}\` may have run in part.` : "";
  if (line === undefined) return `The migration \`${migration}\` has run and was not undone.`;
  print(`migrateDown: ${line}\n`);
  const directory = dirname(file);
  try {
    await runCommand({
      line,
      cwd: directory,
      environment: { ...environment, PWD: directory },
      limitMs: settings.timeoutMs,
      // A cancelled deploy undoes its migration too.
      signal: new AbortController().signal,
      print,
    });
    return `The migration \`${migration}\` was undone.`;
  } catch (error) {
    return `The migration \`${migration}\` has run, and undoing it failed: ${messageOf(error)}`;
  }
}
