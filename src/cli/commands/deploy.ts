import { dirname, relative } from "node:path";

import { newelError } from "../../base/errors.ts";
import { findHome } from "../../base/home.ts";
import { refuseOlderCaller } from "../../base/runtime.ts";
import { type Layout, layoutOf } from "../../deploy/layout.ts";
import { fetched, prepareRelease } from "../../deploy/prepare.ts";
import { removeRelease } from "../../deploy/prune.ts";
import { parseRelease, type Release } from "../../deploy/records.ts";
import { describeSource, findSource, type Source } from "../../deploy/source.ts";
import type { KernelClient } from "../../kernel/client-api.ts";
import { connectKernel } from "../../kernel/client/client.ts";
import { loadConfig } from "../../supervisor/config/load.ts";
import { deployProcessName } from "../../supervisor/process-names.ts";
import { usageError } from "../arguments.ts";
import type { Arguments, Command, Context } from "../command.ts";
import { printDeployPlan } from "../deploy-plan.ts";
import { appOf, follow, refuseSecond, settle, startProcess } from "../deploys.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { deployOverSsh } from "../over-ssh.ts";
import { findKernel } from "../reach.ts";

export const deploy: Command = {
  name: "deploy",
  summary: "Deploy a release, or leave the running app unchanged",
  usage: "[[APP] COMMIT|DIRECTORY|-] [--plan | --attach | --cancel] [--host USER@SERVER]",
  words: { max: 2 },
  options: {
    attach: { summary: "show the progress of the running deploy" },
    cancel: { summary: "stop the running deploy, and undo it" },
    plan: { summary: "print the steps and the changes; change nothing" },
    host: { value: "USER@SERVER", summary: "deploy there, by ssh; newel is installed there" },
    ssh: { value: "COMMAND", summary: 'with --host: the ssh command (default "ssh")' },
    "remote-newel": {
      value: "COMMAND",
      summary: 'with --host: the command there (default "newel")',
    },
    path: { value: "DIRECTORY", summary: "of the configuration in a stream", hidden: true },
    source: { value: "TEXT", summary: "where a stream comes from", hidden: true },
    commit: { value: "COMMIT", summary: "of a stream", hidden: true },
  },
  examples: [
    { line: "newel deploy", does: "deploy HEAD of the repository here" },
    { line: "newel deploy v1.4.2", does: "deploy a tag, branch or commit" },
    { line: "newel deploy ./build", does: "deploy a directory" },
    { line: "newel deploy --plan", does: "print the steps, change nothing" },
    { line: "newel deploy --host deploy@shop.example", does: "deploy HEAD on another machine" },
    {
      line: "git archive HEAD | ssh host newel deploy shop -",
      does: "the same without newel here",
    },
  ],
  notes: [
    "A release has its own directory. There its `install`, `build` and `test` commands run, its configuration is checked, then its services replace the running ones as `newel up` does, and are watched. When a step fails, the app runs on as before, and the exit code is 1.",
    "The deploy is a process of the kernel: Ctrl-C and a lost connection end the display alone.",
  ],
  async run(args, context) {
    const { app, word } = wordsOf(args);
    const host = args.text("host");
    if (host !== undefined) return elsewhere(host, args, context);
    if (args.has("attach")) return attach(await appOf(app ?? word, context), context);
    if (args.has("cancel")) return cancel(await appOf(app ?? word, context), context);
    const found = await findSource(word, { cwd: context.cwd, stdin: process.stdin });
    const source = found.kind === "stdin" ? { ...found, ...described(args) } : found;
    const identity = await identify(app, source, context);
    const below = args.text("path") ?? identity.below;
    const which = { app: identity.app, below };
    if (args.has("plan")) return printDeployPlan(source, which, context);
    return begin(source, which, context);
  },
};

/** The origin of a stream, as another machine gave it. */
function described(args: Arguments): { readonly from?: string; readonly commit?: string } {
  const [from, commit] = [args.text("source"), args.text("commit")];
  return { ...(from === undefined ? {} : { from }), ...(commit === undefined ? {} : { commit }) };
}

/** The same on another machine. */
async function elsewhere(host: string, args: Arguments, context: Context): Promise<ExitCode> {
  const { app, word } = wordsOf(args);
  const remote = {
    host,
    ssh: args.text("ssh") ?? "ssh",
    newel: args.text("remote-newel") ?? "newel",
  };
  const verb = ["attach", "cancel"].find((each) => args.has(each));
  if (verb !== undefined) {
    const name = await appOf(app ?? word, context);
    return deployOverSsh(remote, [`--${verb}`, name], undefined, context);
  }
  const source = await findSource(word, { cwd: context.cwd, stdin: process.stdin });
  const identity = await identify(app, source, context);
  const words = [
    ...(args.has("plan") ? ["--plan"] : []),
    ...(identity.below === "" ? [] : [`--path=${identity.below}`]),
    `--source=${describeSource(source)}`,
    ...(source.kind === "git" ? [`--commit=${source.commit}`] : []),
    "--",
    identity.app,
    "-",
  ];
  return deployOverSsh(remote, words, source, context);
}

/** `newel deploy SOURCE` or `newel deploy APP SOURCE`. */
function wordsOf({ words }: Arguments): { readonly app?: string; readonly word?: string } {
  const [first, second] = words;
  if (first === undefined) return {};
  return second === undefined ? { word: first } : { app: first, word: second };
}

async function begin(
  source: Source,
  { app, below }: { readonly app: string; readonly below: string },
  context: Context,
): Promise<ExitCode> {
  const { environment, output } = context;
  const home = findHome(environment);
  refuseOlderCaller(home);
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
