import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { eventually, isAlive, type Scope, startProcess } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { type CommandResult, runProgram } from "./command.ts";
import { REPLICAS, type Site, type WebTool } from "./web-tool.ts";

/** The command line from the sources. */
const SOURCE_CLI: string = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** Of one process, which may have a small part of a processor. */
const START_LIMIT = "2m";

export interface NewelWebOptions {
  /** The command line's program. Default: the sources. */
  readonly cli?: string;
  /** How long a reload watches its first new process. Default: newel's own. */
  readonly stable?: string;
}

interface ListedService {
  readonly supervised: boolean;
  readonly processes: readonly { readonly pid?: number }[];
}

interface Daemons {
  readonly supervisor: { readonly pid: number } | null;
  readonly kernel: { readonly pid: number } | null;
}

/** A web app under newel, in a separate home. */
export class NewelWeb implements WebTool {
  readonly name = "newel";
  readonly site: Site;
  readonly #scope: Scope;
  readonly #cli: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(scope: Scope, site: Site, options: NewelWebOptions = {}) {
    this.site = site;
    this.#scope = scope;
    this.#cli = options.cli ?? SOURCE_CLI;
    this.#env = { ...process.env, NEWEL_HOME: join(site.directory, "h") };
    mkdirSync(join(site.directory, "h"), { mode: 0o700 });
    const web = {
      ...site.program,
      listen: `127.0.0.1:${site.port}`,
      replicas: REPLICAS,
      env: { PORT: site.port },
      ready: {
        timeout: START_LIMIT,
        ...(options.stable !== undefined && { stable: options.stable }),
      },
    };
    writeFileSync(
      join(site.directory, "newel.config.mjs"),
      `export default ${JSON.stringify({ name: "site", services: { web } })};\n`,
    );
  }

  command(...args: string[]): Promise<CommandResult> {
    return runProgram(this.#scope, [this.#cli, ...args], this.#surroundings);
  }

  up(): Promise<CommandResult> {
    return this.command("up");
  }

  /** Brings the app up as `newel run` does; resolves when it serves, with the way to end it. */
  async run(): Promise<{ end: () => Promise<number | null> }> {
    const child = startProcess(this.#scope, process.execPath, [this.#cli, "run"], {
      ...this.#surroundings,
      stdio: "ignore",
    });
    const exited = once(child, "exit");
    await eventually(
      async () => child.exitCode === null && (await this.site.isServing()),
      "serving",
    );
    return {
      end: async () => {
        child.kill("SIGTERM");
        await exited;
        return child.exitCode;
      },
    };
  }

  reload(): Promise<CommandResult> {
    return this.command("reload", "web");
  }

  restart(): Promise<CommandResult> {
    return this.command("restart", "web");
  }

  scale(replicas: number): Promise<CommandResult> {
    return this.command("scale", `web=${replicas}`);
  }

  async killDaemon(): Promise<void> {
    const pid = await this.supervisorPid();
    if (pid === undefined) throw new Error("no supervisor to kill");
    sendSignal(pid, "SIGKILL");
    await eventually(() => !isAlive(pid), "the supervisor is dead");
  }

  /** Kills the kernel with SIGKILL; the supervisor brings the next one. */
  async killKernel(): Promise<CommandResult> {
    const { kernel } = await this.#daemons();
    if (kernel === null) throw new Error("no kernel to kill");
    sendSignal(kernel.pid, "SIGKILL");
    await eventually(async () => {
      const next = (await this.#daemons()).kernel;
      return next !== null && next.pid !== kernel.pid;
    }, "the next kernel is there");
    return this.command("ps");
  }

  upgradeKernel(): Promise<CommandResult> {
    return this.command("kernel", "upgrade");
  }

  /** Moves both daemons to the same version, as to another one. */
  upgrade(): Promise<CommandResult> {
    return this.command("upgrade");
  }

  /** The next command brings it back. */
  recover(): Promise<CommandResult> {
    return this.up();
  }

  async supervisorPid(): Promise<number | undefined> {
    return (await this.#daemons()).supervisor?.pid;
  }

  async pids(): Promise<readonly number[]> {
    return (await this.#services()).flatMap(({ processes }) =>
      processes.flatMap(({ pid }) => (pid === undefined ? [] : [pid])),
    );
  }

  /** Whether `newel ps` reports a running supervisor. */
  async isSupervised(): Promise<boolean> {
    const services = await this.#services();
    return services.length > 0 && services.every(({ supervised }) => supervised);
  }

  async end(): Promise<void> {
    await this.command("down", "--all");
  }

  async #daemons(): Promise<Daemons> {
    return JSON.parse((await this.command("version", "--json")).stdout) as Daemons;
  }

  async #services(): Promise<readonly ListedService[]> {
    return JSON.parse((await this.command("ps", "--json")).stdout) as ListedService[];
  }

  get #surroundings(): { readonly cwd: string; readonly env: NodeJS.ProcessEnv } {
    return { cwd: this.site.directory, env: this.#env };
  }
}
