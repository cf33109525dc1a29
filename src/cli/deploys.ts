import { existsSync, statSync } from "node:fs";

import { hasCode, newelError } from "../base/errors.ts";
import { findHome } from "../base/home.ts";
import { programPath } from "../base/modules.ts";
import { type Layout, layoutOf, logPath, releaseDirectory } from "../deploy/layout.ts";
import { isBeingFetched, removeAbandoned } from "../deploy/prepare.ts";
import { readRelease, readReleases, type Release } from "../deploy/records.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import { connectKernel } from "../kernel/client/client.ts";
import { loadConfig } from "../supervisor/config/load.ts";
import { DEPLOY_STEP, RECOVER, runAlone } from "../supervisor/deploy-process.ts";
import { deployProcessName } from "../supervisor/process-names.ts";
import type { Context } from "./command.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { followFile } from "./follow-file.ts";

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

/**
 * Finishes or undoes deploys of an app whose process was ended by a kill or a reboot, reports them, and removes
 * abandoned sources. A deploy that is under way is left alone.
 */
export async function settle(app: string, context: Context): Promise<void> {
  const home = findHome(context.environment);
  const layout = layoutOf(home, app);
  removeAbandoned(layout);
  const [unfinished] = unfinishedOf(layout);
  if (unfinished === undefined) return;
  const kernel = await connectKernel({ home });
  try {
    for (const release of unfinishedOf(layout)) await settleOne(kernel, layout, release, context);
  } finally {
    await kernel.close();
  }
}

function unfinishedOf(layout: Layout): readonly Release[] {
  return readReleases(layout).filter(
    ({ number, state }) => state === "deploying" && !isBeingFetched(layout, number),
  );
}

async function settleOne(
  kernel: KernelClient,
  layout: Layout,
  release: Release,
  context: Context,
): Promise<void> {
  const name = deployProcessName(release.app);
  const [found] = await kernel.processes.list(name);
  if (found?.running === true && !found.args.includes(RECOVER)) return;
  if (found?.running !== true)
    await startProcess(kernel, layout, release, context, RECOVER).catch((error: unknown) => {
      // The supervisor or another command was faster.
      if (!hasCode(error, "NEWEL_E_DEPLOY_RUNNING")) throw error;
    });
  await ended(kernel, name);
  const now = readRelease(layout, release.number);
  if (now?.state === "interrupted") context.output.say(interruptedText(now));
}

function interruptedText({ number, app, why = "" }: Release): string {
  return `Release ${number} of ${app} was interrupted: ${why}`;
}

/** Waits for the end of a process of the kernel; its exit code, `null` when no kernel could learn it. */
async function ended(
  kernel: KernelClient,
  name: string,
  signal?: AbortSignal,
): Promise<number | null> {
  const options = signal === undefined ? {} : { signal };
  for await (const part of kernel.processes.watch(name, options))
    if ("ended" in part) return part.exitCode;
  return null;
}

/** @throws NEWEL_E_DEPLOY_RUNNING */
export async function refuseSecond(kernel: KernelClient, app: string): Promise<void> {
  const [found] = await kernel.processes.list(deployProcessName(app));
  if (found?.running === true) throw newelError("NEWEL_E_DEPLOY_RUNNING", { app });
}

/**
 * Starts the deploy as a process of the kernel, which no terminal and no connection ends. Processes that an earlier
 * deploy has left behind are ended.
 *
 * @throws NEWEL_E_DEPLOY_RUNNING when another deploy of the app runs
 */
export async function startProcess(
  kernel: KernelClient,
  layout: Layout,
  release: Release,
  { environment }: Context,
  verb: "deploy" | "rollback" | typeof RECOVER,
): Promise<void> {
  const { app } = release;
  await runAlone(kernel, {
    name: deployProcessName(app),
    args: [process.execPath, programPath("cli/main"), DEPLOY_STEP, verb, JSON.stringify(release)],
    workingDir: layout.directory,
    env: Object.fromEntries(
      Object.entries(environment).filter((each): each is [string, string] => each[1] !== undefined),
    ),
  });
}

/**
 * Prints the output of a deploy until it ends.
 *
 * @param from - the first byte of its log to print: a rollback adds to the log of a deploy
 */
export async function follow(
  kernel: KernelClient,
  layout: Layout,
  release: Release,
  context: Context,
  from = 0,
): Promise<ExitCode> {
  const { output } = context;
  const stop = new AbortController();
  const leave = (): void => {
    output.say("The deploy continues: `newel deploy --attach` follows it, `--cancel` undoes it.");
    stop.abort();
  };
  process.once("SIGINT", leave);
  process.once("SIGHUP", leave);
  const name = deployProcessName(release.app);
  let exitCode: number | null;
  try {
    const end = ended(kernel, name, stop.signal);
    await followFile(logPath(layout, release.number), {
      from,
      until: end,
      signal: stop.signal,
      print: (text) => output.say(text.replace(/\n$/, "")),
    });
    exitCode = await end;
  } finally {
    process.off("SIGINT", leave);
    process.off("SIGHUP", leave);
  }
  if (stop.signal.aborted) return EXIT.failed;
  if (exitCode !== null && exitCode >= 0) return exitCode === 0 ? EXIT.done : EXIT.failed;
  return afterKill(layout, release, context, exitCode);
}

/** The process of a deploy was ended by a signal, or while no kernel could see how it ended. */
async function afterKill(
  layout: Layout,
  release: Release,
  context: Context,
  exitCode: number | null,
): Promise<ExitCode> {
  const how = exitCode === null ? "while no kernel ran" : `by signal ${-exitCode}`;
  context.output.say(`The process of the deploy ended ${how}.`);
  await settle(release.app, context);
  return readRelease(layout, release.number)?.state === "live" ? EXIT.done : EXIT.failed;
}

/** The size of the log of a release, in bytes. */
export function logBytes(layout: Layout, number: number): number {
  return statSync(logPath(layout, number), { throwIfNoEntry: false })?.size ?? 0;
}

/** Whether the directory of a release is still there. */
export function isKept(layout: Layout, { number }: Release): boolean {
  return existsSync(releaseDirectory(layout, number));
}
