import { appendFileSync, existsSync } from "node:fs";

import { hasCode, newelError } from "../base/errors.ts";
import { findHome } from "../base/home.ts";
import { programPath } from "../base/modules.ts";
import {
  deployProcessName,
  type Layout,
  layoutOf,
  logPath,
  releaseDirectory,
} from "../deploy/layout.ts";
import { readReleases, type Release, writeRelease } from "../deploy/records.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import { parseStoredApp } from "../supervisor/app.ts";
import { loadConfig } from "../supervisor/config/load.ts";
import { appValueName } from "../supervisor/process-names.ts";
import { storedApps } from "../supervisor/stored-apps.ts";
import type { Context } from "./command.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { findKernel } from "./reach.ts";

/** The app of a word, or the one configured here. */
export async function appOf(
  word: string | undefined,
  { cwd, environment }: Context,
): Promise<string> {
  if (word !== undefined) return word;
  try {
    return (await loadConfig({ cwd, environment })).name;
  } catch (error) {
    if (!hasCode(error, "NEWEL_E_CONFIG_MISSING")) throw error;
    throw newelError("NEWEL_E_DEPLOY_NO_APP", {}, error);
  }
}

/** Marks deploys whose process is gone. */
export async function settle(app: string, context: Context): Promise<void> {
  const layout = layoutOf(findHome(context.environment), app);
  const kernel = await findKernel(context);
  if (kernel === undefined) {
    const stored = storedApps(findHome(context.environment)).get(app);
    markInterrupted(
      layout,
      stored === undefined ? undefined : parseStoredApp(stored, 0).config.file,
    );
    return;
  }
  try {
    const [found] = await kernel.processes.list(deployProcessName(app));
    if (found?.running === true) return;
    const stored = await kernel.values.get(appValueName(app));
    markInterrupted(
      layout,
      stored === undefined ? undefined : parseStoredApp(stored, 0).config.file,
    );
  } finally {
    await kernel.close();
  }
}

/** A record of a deploy whose process is gone: a kill, a reboot. The app has undone or finished the switch by itself. */
function markInterrupted(layout: Layout, liveFile: string | undefined): void {
  for (const release of readReleases(layout)) {
    if (release.state !== "deploying") continue;
    const isLive = liveFile === release.file;
    writeRelease(layout, {
      ...release,
      ...(isLive
        ? { state: "live", liveMs: Date.now(), why: "its process ended before it was verified" }
        : { state: "interrupted", why: "its process ended before it was live" }),
    });
  }
}

/** @throws NEWEL_E_DEPLOY_RUNNING */
export async function refuseSecond(kernel: KernelClient, app: string): Promise<void> {
  const name = deployProcessName(app);
  const [found] = await kernel.processes.list(name);
  if (found?.running === true) throw newelError("NEWEL_E_DEPLOY_RUNNING", { app });
  if (found !== undefined) await kernel.processes.remove(name);
}

/** Starts the deploy as a process of the kernel, which no terminal and no connection ends. */
export async function startProcess(
  kernel: KernelClient,
  layout: Layout,
  release: Release,
  { environment }: Context,
  verb: "deploy" | "rollback",
): Promise<void> {
  const { app } = release;
  const name = deployProcessName(app);
  try {
    await kernel.processes.make({
      name,
      args: [
        process.execPath,
        programPath("cli/main"),
        "deploy-step",
        verb,
        JSON.stringify(release),
      ],
      workingDir: layout.directory,
      stderr: "stdout",
      env: Object.fromEntries(
        Object.entries(environment).filter(
          (each): each is [string, string] => each[1] !== undefined,
        ),
      ),
    });
  } catch (error) {
    if (hasCode(error, "NEWEL_E_EXISTS"))
      throw newelError("NEWEL_E_DEPLOY_RUNNING", { app }, error);
    throw error;
  }
}

/** Prints the output of a deploy until it ends. */
export async function follow(
  kernel: KernelClient,
  layout: Layout,
  { app, number }: Release,
  { output }: Context,
): Promise<ExitCode> {
  const stop = new AbortController();
  const leave = (): void => {
    output.say("The deploy continues: `newel deploy --attach` follows it, `--cancel` undoes it.");
    stop.abort();
  };
  process.once("SIGINT", leave);
  process.once("SIGHUP", leave);
  const name = deployProcessName(app);
  let exitCode: number | null = null;
  try {
    for await (const part of kernel.processes.watch(name, { signal: stop.signal })) {
      if ("ended" in part) exitCode = part.exitCode;
      else output.say(part.data.toString("utf8").replace(/\n$/, ""));
    }
  } finally {
    process.off("SIGINT", leave);
    process.off("SIGHUP", leave);
  }
  if (stop.signal.aborted) return EXIT.failed;
  if (exitCode === null || exitCode < 0)
    appendFileSync(
      logPath(layout, number),
      `The process of the deploy was ended by ${exitCode}.\n`,
    );
  return exitCode === 0 ? EXIT.done : EXIT.failed;
}

/** Whether the directory of a release is still there. */
export function isKept(layout: Layout, { number }: Release): boolean {
  return existsSync(releaseDirectory(layout, number));
}
