import { appendFileSync, writeSync } from "node:fs";

import { isNewelError, messageOf } from "../../base/errors.ts";
import { findHome, type Home } from "../../base/home.ts";
import { PRELOAD_ENV } from "../../base/preload.ts";
import { Deploy, type DeployParts } from "../../deploy/deploy.ts";
import { layoutOf, logPath } from "../../deploy/layout.ts";
import { parseRelease, type Release } from "../../deploy/records.ts";
import { recover } from "../../deploy/recover.ts";
import { connectKernel } from "../../kernel/client/client.ts";
import { asDeploy, DEPLOY_STEP, RECOVER } from "../../supervisor/deploy-process.ts";
import { usageError } from "../arguments.ts";
import type { Command, Context } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { reachSupervisor, type SupervisorConnection } from "../reach.ts";

/** The process of the kernel that carries out a deploy. */
export const deployStep: Command = {
  name: DEPLOY_STEP,
  summary: "Carry out a deploy that `newel deploy` or `newel rollback` has prepared",
  usage: "deploy|rollback|recover RECORD",
  words: { min: 2, max: 2 },
  options: {},
  examples: [],
  async run({ words }, context) {
    const [verb, text = ""] = words;
    const release = parseRelease(text);
    if (release === undefined || !["deploy", "rollback", RECOVER].includes(verb ?? ""))
      throw usageError("This command is run by newel deploy.");
    const home = findHome(context.environment);
    const print = printerTo(logPath(layoutOf(home, release.app), release.number));
    const mark = marker(context.environment);
    const cancelled = new AbortController();
    const cancel = (): void => cancelled.abort();
    process.on("SIGTERM", cancel).on("SIGINT", cancel);
    const daemons = await Daemons.reach(home, context);
    const parts: DeployParts = {
      home,
      kernel: daemons.kernel,
      supervisor: () => daemons.supervisor(),
      environment: withoutOwn(context.environment),
      signal: cancelled.signal,
      print,
      mark,
    };
    try {
      await asDeploy(daemons.kernel, release.app, async () => {
        if (verb === RECOVER) print(`${await recover(release, parts)}\n`);
        else if (verb === "deploy") await new Deploy(release, parts).run();
        else await new Deploy(release, parts).rollBack();
      });
      return EXIT.done;
    } catch (error) {
      print(errorText(error));
      return EXIT.failed;
    } finally {
      process.off("SIGTERM", cancel).off("SIGINT", cancel);
      await daemons.close();
    }
  },
};

function errorText(error: unknown): string {
  if (!isNewelError(error)) return `error: ${messageOf(error)}\n`;
  return `error: ${error.message}\n${error.fix} (${error.code})\n`;
}

/** Appends to the log of a deploy, which its viewers follow. A full disk must not end the deploy. */
function printerTo(log: string): (text: string) => void {
  return (text) => {
    try {
      appendFileSync(log, text, { mode: 0o600 });
    } catch (error) {
      say(`${messageOf(error)}\n${text}`);
    }
  };
}

/** Reports a step or an end: a line of output, for `newel logs`, and the status of the process, for the supervisor. */
function marker(environment: NodeJS.ProcessEnv): DeployParts["mark"] {
  const fd = Number(environment[PRELOAD_ENV.notifyFd] ?? Number.NaN);
  return ({ number, app }: Release, reached: string) => {
    say(`release ${number} of ${app}: ${reached}\n`);
    if (Number.isInteger(fd)) tryWrite(fd, `STATUS=${number} ${reached}\n`);
  };
}

function say(text: string): void {
  tryWrite(1, text);
}

/** While the kernel is being replaced, no process may read. */
function tryWrite(fd: number, text: string): void {
  try {
    writeSync(fd, text);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}

/** The environment for the commands of the deploy, without the parts for this process. */
function withoutOwn(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { [PRELOAD_ENV.notifyFd]: _, ...rest } = environment;
  return rest;
}

/** Kernel and supervisor; the latter is found again, or started, after its end. */
class Daemons {
  readonly kernel: DeployParts["kernel"];
  readonly #context: Context;
  #connection: SupervisorConnection | undefined;

  constructor(kernel: DeployParts["kernel"], context: Context) {
    this.kernel = kernel;
    this.#context = context;
  }

  static async reach(home: Home, context: Context): Promise<Daemons> {
    return new Daemons(await connectKernel({ home }), context);
  }

  async supervisor(): Promise<SupervisorConnection["remote"]> {
    if (this.#connection === undefined) {
      const connection = await reachSupervisor(this.#context);
      this.#connection = connection;
      void connection.closed.then(() => (this.#connection = undefined));
    }
    return this.#connection.remote;
  }

  async close(): Promise<void> {
    await this.#connection?.close();
    await this.kernel.close();
  }
}
