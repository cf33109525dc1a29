import { dirname, relative } from "node:path";

import { newelError } from "../../base/errors.ts";
import { findHome } from "../../base/home.ts";
import { refuseOlderCaller } from "../../base/runtime.ts";
import { type Layout, layoutOf } from "../../deploy/layout.ts";
import { fetched, prepareRelease } from "../../deploy/prepare.ts";
import { removeRelease } from "../../deploy/prune.ts";
import { parseRelease, type Release } from "../../deploy/records.ts";
import { findSource, type Source } from "../../deploy/source.ts";
import type { KernelClient } from "../../kernel/client-api.ts";
import { connectKernel } from "../../kernel/client/client.ts";
import { loadConfig } from "../../supervisor/config/load.ts";
import { deployProcessName } from "../../supervisor/process-names.ts";
import { usageError } from "../arguments.ts";
import type { Arguments, Command, Context } from "../command.ts";
import { appOf, follow, refuseSecond, settle, startProcess } from "../deploys.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { findKernel } from "../reach.ts";

export const deploy: Command = {
  name: "deploy",
  summary: "Deploy a release, or leave the running app unchanged",
  usage: "[[APP] COMMIT|DIRECTORY|-] [--attach | --cancel]",
  words: { max: 2 },
  options: {
    attach: { summary: "show the progress of the running deploy" },
    cancel: { summary: "stop the running deploy, and undo it" },
  },
  examples: [
    { line: "newel deploy", does: "deploy HEAD of the repository here" },
    { line: "newel deploy v1.4.2", does: "deploy a tag, branch or commit" },
    { line: "newel deploy ./build", does: "deploy a directory" },
    {
      line: "git archive HEAD | ssh host newel deploy shop -",
      does: "deploy a tar stream to another machine",
    },
  ],
  notes: [
    "A release has its own directory. There its `install`, `build` and `test` commands run, its configuration is checked, then its services replace the running ones as `newel up` does, and are watched. When a step fails, the app runs on as before, and the exit code is 1.",
    "The deploy is a process of the kernel: Ctrl-C and a lost connection end the display alone.",
  ],
  async run(args, context) {
    const { app, word } = wordsOf(args);
    if (args.has("attach")) return attach(await appOf(app ?? word, context), context);
    if (args.has("cancel")) return cancel(await appOf(app ?? word, context), context);
    return begin(app, word, context);
  },
};

/** `newel deploy SOURCE` or `newel deploy APP SOURCE`. */
function wordsOf({ words }: Arguments): { readonly app?: string; readonly word?: string } {
  const [first, second] = words;
  if (first === undefined) return {};
  return second === undefined ? { word: first } : { app: first, word: second };
}

async function begin(
  named: string | undefined,
  word: string | undefined,
  context: Context,
): Promise<ExitCode> {
  const { cwd, environment, output } = context;
  const home = findHome(environment);
  refuseOlderCaller(home);
  const source = await findSource(word, { cwd, stdin: process.stdin });
  const { app, below } = await identify(named, source, context);
  const layout = layoutOf(home, app);
  const kernel = await connectKernel({ home });
  try {
    await refuseSecond(kernel, app);
    await settle(app, context);
    const release = await prepareRelease(layout, source, { app, below });
    output.say(`Release ${release.number} of ${app}: ${release.source}.`);
    try {
      await startProcess(kernel, layout, release, context, "deploy");
    } catch (error) {
      removeRelease(layout, release.number);
      throw error;
    }
    fetched(layout, release);
    return await follow(kernel, layout, release, context);
  } finally {
    await kernel.close();
  }
}

/** The app, and where its configuration is in the source. */
async function identify(
  named: string | undefined,
  source: Source,
  { cwd, environment }: Context,
): Promise<{ readonly app: string; readonly below: string }> {
  if (source.kind === "stdin") {
    if (named === undefined)
      throw usageError("A stream needs the name of the app: newel deploy NAME -");
    return { app: named, below: "" };
  }
  const from = source.kind === "directory" ? source.directory : cwd;
  const { name, file } = await loadConfig({ cwd: from, environment });
  const top = source.kind === "directory" ? source.directory : source.top;
  return { app: named ?? name, below: relative(top, dirname(file)) };
}

async function attach(app: string, context: Context): Promise<ExitCode> {
  const { kernel, layout, release } = await running(app, context);
  try {
    return await follow(kernel, layout, release, context);
  } finally {
    await kernel.close();
  }
}

async function cancel(app: string, context: Context): Promise<ExitCode> {
  const { kernel, layout, release } = await running(app, context);
  try {
    await kernel.processes.signal(deployProcessName(app), "SIGTERM");
    await follow(kernel, layout, release, context);
    return EXIT.done;
  } finally {
    await kernel.close();
  }
}

/** @throws NEWEL_E_DEPLOY_NOT_RUNNING */
async function running(
  app: string,
  context: Context,
): Promise<{ readonly kernel: KernelClient; readonly layout: Layout; readonly release: Release }> {
  const layout = layoutOf(findHome(context.environment), app);
  const kernel = await findKernel(context);
  const [found] = kernel === undefined ? [] : await kernel.processes.list(deployProcessName(app));
  const release = parseRelease(found?.args.at(-1) ?? "");
  if (kernel !== undefined && found?.running === true && release !== undefined)
    return { kernel, layout, release };
  await kernel?.close();
  throw newelError("NEWEL_E_DEPLOY_NOT_RUNNING", { app });
}
