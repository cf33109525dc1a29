import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { eventually, isAlive, type Scope } from "../../test/helpers/resources.ts";
import { type CommandResult, runProgram } from "../../test/load/command.ts";
import { REPLICAS, type Site, type WebTool } from "../../test/load/web-tool.ts";
import { BENCH_DIRECTORY } from "../prepare.ts";

const CLI: string = join(BENCH_DIRECTORY, "node_modules/pm2/bin/pm2");

/** Runs pm2 on a PM2_HOME. */
export function runPm2(
  scope: Scope,
  home: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<CommandResult> {
  return runProgram(scope, [CLI, ...args], {
    cwd: dirname(home),
    env: { ...process.env, PM2_HOME: home, PM2_DISABLE_VERSION_CHECK: "true", ...env },
  });
}

/** The pid of the daemon of a PM2_HOME. */
export function pm2Pid(home: string): number {
  return Number(readFileSync(join(home, "pm2.pid"), "utf8"));
}

/** A web app under pm2 in cluster mode, as its documentation describes it for reloads, in its own PM2_HOME. */
export class Pm2Web implements WebTool {
  readonly name = "pm2";
  readonly site: Site;
  readonly #scope: Scope;
  readonly #home: string;

  constructor(scope: Scope, site: Site) {
    this.site = site;
    this.#scope = scope;
    this.#home = join(site.directory, "pm2");
  }

  command(...args: string[]): Promise<CommandResult> {
    return runPm2(this.#scope, this.#home, args, { PORT: String(this.site.port) });
  }

  async up(): Promise<CommandResult> {
    const instances = ["-i", String(REPLICAS), "--interpreter", "node"];
    const started = await this.command("start", this.site.file, "--name", "web", ...instances);
    // So that there is something to resurrect.
    return started.exitCode === 0 ? this.command("save") : started;
  }

  reload(): Promise<CommandResult> {
    return this.command("reload", "web");
  }

  restart(): Promise<CommandResult> {
    return this.command("restart", "web");
  }

  scale(replicas: number): Promise<CommandResult> {
    return this.command("scale", "web", String(replicas));
  }

  async killDaemon(): Promise<void> {
    const pid = pm2Pid(this.#home);
    process.kill(pid, "SIGKILL");
    await eventually(() => !isAlive(pid), "pm2's daemon is dead");
  }

  /** Nothing brings pm2's daemon back; its documentation has this command for it. */
  recover(): Promise<CommandResult> {
    return this.command("resurrect");
  }

  async pids(): Promise<readonly number[]> {
    const { stdout } = await this.command("jlist");
    // The first use of a home prints a banner before the list.
    const list = stdout.slice(stdout.lastIndexOf("\n[", stdout.length - 3) + 1);
    return (JSON.parse(list) as { pid: number }[]).map(({ pid }) => pid);
  }

  async end(): Promise<void> {
    await this.command("kill");
  }
}
