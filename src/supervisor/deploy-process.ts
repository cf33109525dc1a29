import { existsSync } from "node:fs";

import * as v from "valibot";

import { hasCode, messageOf, newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { sleep } from "../base/timers.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { ProcessInfo, ProcessRequest } from "../kernel/process-api.ts";
import { deployedApp, deployProcessName } from "./process-names.ts";

/** The internal command of the command line that carries out a deploy. */
export const DEPLOY_STEP = "deploy-step";
/** Its word for finishing or undoing a deploy whose process was ended. */
export const RECOVER = "recover";

/** How often an undo that is killed is started again for one deploy. */
const TRIES = 3;

/**
 * Runs a process of the kernel in place of an ended one of its name, whose descendants are killed.
 *
 * @throws NEWEL_E_DEPLOY_RUNNING while a process of that name runs
 */
export async function runAlone(kernel: KernelClient, request: ProcessRequest): Promise<void> {
  const { name } = request;
  for (;;) {
    const [found] = await kernel.processes.list(name);
    if (found?.running === true)
      throw newelError("NEWEL_E_DEPLOY_RUNNING", { app: deployedApp(name) ?? name });
    try {
      if (found !== undefined) {
        await killOrphans(kernel, found);
        await kernel.processes.remove(name);
      }
      // The output of earlier deploys stays, in the archive of the group.
      await kernel.processes.make({ stderr: "stdout", notify: true, group: name, ...request });
      return;
    } catch (error) {
      // Another command has removed or started it between two calls.
      if (!hasCode(error, "NEWEL_E_EXISTS") && !hasCode(error, "NEWEL_E_NOT_FOUND")) throw error;
      await sleep(20);
    }
  }
}

/**
 * Kills the descendants of an ended process, by their start times: the name may be that of a new process at any
 * moment.
 */
async function killOrphans(kernel: KernelClient, { name, pid }: ProcessInfo): Promise<void> {
  const [tree] = await kernel.processes.trees([name]);
  if (tree === undefined || tree.pid !== pid || tree.running || tree.processes.length === 0) return;
  await kernel.processes.signalExactly(name, "SIGKILL", tree.processes);
}

/** The kernel value of a deploy under way, which is left when its process is killed, and by a reboot. */
function deployValueName(app: string): string {
  return `newel/deploy/${app}`;
}

/** How the process of a deploy was started. */
const startSchema = v.object({ args: v.array(v.string()), workingDir: v.string() });

/**
 * Runs a deploy in this process: until it has ended by itself, the kernel has a value from which the next supervisor
 * undoes it.
 */
export async function asDeploy<T>(
  kernel: KernelClient,
  app: string,
  deploy: () => Promise<T>,
): Promise<T> {
  const start = { args: [process.execPath, ...process.argv.slice(1)], workingDir: process.cwd() };
  await kernel.values.set(deployValueName(app), JSON.stringify(start));
  try {
    return await deploy();
  } finally {
    await kernel.values.set(deployValueName(app), undefined);
  }
}

/** Starts the undo of deploys whose process was killed, or ended by a reboot: the next start finishes them. */
export class UnfinishedDeploys {
  readonly #kernel: KernelClient;
  readonly #home: Home;
  readonly #log: (text: string) => void;
  readonly #tries = new Map<string, number>();

  constructor(kernel: KernelClient, home: Home, log: (text: string) => void) {
    this.#kernel = kernel;
    this.#home = home;
    this.#log = log;
  }

  /** Checks the deploys of all apps, or of one. */
  async check(app = "*"): Promise<void> {
    try {
      for (const { name, value } of await this.#kernel.values.list(deployValueName(app)))
        await this.#undo(name.slice(deployValueName("").length), value);
    } catch (error) {
      this.#log(`Interrupted deploys could not be checked: ${messageOf(error)}`);
    }
  }

  async #undo(app: string, value: string): Promise<void> {
    const name = deployProcessName(app);
    const [found] = await this.#kernel.processes.list(name);
    if (found?.running === true) return;
    const tries = (this.#tries.get(app + value) ?? 0) + 1;
    this.#tries.set(app + value, tries);
    if (tries > TRIES) return;
    const { args, workingDir } = v.parse(startSchema, JSON.parse(value));
    const [node = "", program = ""] = args;
    if (!existsSync(program)) {
      this.#log(`${name} was ended, and ${program} is gone: the next command undoes it.`);
      return;
    }
    this.#log(`${name} was ended: it is undone.`);
    const env = Object.entries(process.env).filter(
      (each): each is [string, string] => each[1] !== undefined,
    );
    const words = [DEPLOY_STEP, RECOVER, args.at(-1) ?? ""];
    try {
      await runAlone(this.#kernel, {
        name,
        args: [existsSync(node) ? node : process.execPath, program, ...words],
        workingDir,
        env: { ...Object.fromEntries(env), NEWEL_HOME: this.#home.directory },
      });
    } catch (error) {
      // A command was faster.
      if (!hasCode(error, "NEWEL_E_DEPLOY_RUNNING")) throw error;
    }
  }
}
