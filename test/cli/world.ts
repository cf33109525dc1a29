import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { homeAt } from "../../src/base/home.ts";
import {
  COMPILE_CACHE,
  eventually,
  isAlive,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import type { Ran } from "./capture.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** A web server that answers with its pid, says so when it stands and when it goes. */
export const WEB = `
import { createServer } from "node:http";
createServer((_, response) => response.end(String(process.pid)))
  .listen(Number(process.env.PORT), "127.0.0.1", () => console.log("listening"));
process.on("exit", () => console.error("bye"));
`;

/** A home and an app of a test's own, driven through the real command line. */
export class World {
  readonly home: string;
  readonly directory: string;
  readonly #scope: Scope;
  /** The program of the command line. */
  readonly main: string;
  #cwd: string;

  /**
   * @param options.main - the command line: that of the sources, or of a build
   * @param options.home - the home, in its place
   */
  constructor(
    scope: Scope,
    { main = MAIN, home }: { readonly main?: string; readonly home?: string } = {},
  ) {
    this.#scope = scope;
    this.main = main;
    // Hooks run in the order they are made: the daemons have to end before their home goes.
    scope.after(() => this.#end());
    this.home = home ?? temporaryDirectory(scope);
    this.directory = temporaryDirectory(scope);
    this.#cwd = this.directory;
  }

  /** Where command lines are run from now on, below the directory. */
  moveTo(name: string): void {
    this.#cwd = join(this.directory, name);
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.directory, file), text);
  }

  read(file: string): string {
    return readFileSync(join(this.directory, file), "utf8");
  }

  configure(config: object): void {
    this.write("newel.config.json", JSON.stringify(config));
  }

  /** Runs a command line to its end. */
  newel(...args: string[]): Promise<Ran> {
    return this.newelAt(this.home, ...args);
  }

  /** The same in another home. */
  async newelAt(home: string, ...args: string[]): Promise<Ran> {
    return this.#ended(this.#spawn(home, args), args);
  }

  async #ended(child: ChildProcess, args: readonly string[]): Promise<Ran> {
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    if (code === null) throw new Error(`newel ${args.join(" ")} ended by ${signal}`);
    return { code, stdout: stdout(), stderr: stderr() };
  }

  /** The same with another environment. */
  async newelWith(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Ran> {
    const options = { cwd: this.#cwd, env };
    return this.#ended(
      startProcess(this.#scope, process.execPath, [this.main, ...args], options),
      args,
    );
  }

  /** The same in a directory below that is removed before newel begins. */
  newelInRemoved(name: string, ...args: string[]): Promise<Ran> {
    const script = 'cd "$0" && rmdir "$0" && exec "$@"';
    return this.#shell(script, join(this.directory, name), args);
  }

  /** The same with stdout into a file. */
  newelInto(file: string, ...args: string[]): Promise<Ran> {
    return this.#shell('exec "$@" > "$0"', file, args);
  }

  /** The same after a line of shell, such as `ulimit -n 32`. */
  newelAfter(line: string, ...args: string[]): Promise<Ran> {
    return this.#shell(`${line}; exec "$@"`, "sh", args);
  }

  /** The same as `"$@"` of a shell script. */
  shell(script: string, ...args: string[]): Promise<Ran> {
    return this.#shell(script, "sh", args);
  }

  async #shell(script: string, word: string, args: readonly string[]): Promise<Ran> {
    const command = ["-c", script, word, process.execPath, this.main, ...args];
    const options = { cwd: this.#cwd, env: this.environment };
    return this.#ended(startProcess(this.#scope, "/bin/sh", command, options), args);
  }

  /** As {@link newel}, and throws unless it ends with 0. */
  async succeed(...args: string[]): Promise<Ran> {
    const ran = await this.newel(...args);
    if (ran.code !== 0)
      throw new Error(`newel ${args.join(" ")} ended with ${ran.code}: ${ran.stderr}`);
    return ran;
  }

  /** The JSON a command prints. */
  async json<T>(...args: string[]): Promise<T> {
    const { stdout } = await this.newel(...args, "--json");
    return JSON.parse(stdout) as T;
  }

  /** Starts a command line that keeps running. */
  start(...args: string[]): ChildProcess {
    return this.#spawn(this.home, args);
  }

  #spawn(home: string, args: readonly string[]): ChildProcess {
    return startProcess(this.#scope, process.execPath, [this.main, ...args], {
      cwd: this.#cwd,
      env: { ...this.environment, NEWEL_HOME: home },
    });
  }

  get environment(): NodeJS.ProcessEnv {
    return {
      PATH: process.env["PATH"],
      HOME: this.directory,
      NEWEL_HOME: this.home,
      ...COMPILE_CACHE,
    };
  }

  async supervisorPid(): Promise<number> {
    const { supervisor } = await this.json<{ supervisor: { pid: number } | null }>("version");
    if (supervisor === null) throw new Error("no supervisor runs");
    return supervisor.pid;
  }

  async #end(): Promise<void> {
    const { kernelLock, supervisorLock } = homeAt(this.home);
    const daemons = [kernelLock, supervisorLock]
      .flatMap(readPid)
      .filter((pid) => isOf(pid, this.home));
    if (daemons.length === 0) return;
    await runQuietly([this.main, "down", "--all", "--timeout", "2m"], this.environment);
    // A supervisor that still runs would start the kernel again.
    for (const pid of [...daemons].reverse()) {
      if (isAlive(pid)) sendSignal(pid, "SIGTERM");
      const gone = eventually(() => !isAlive(pid), `daemon ${pid} ended`, 60_000);
      await gone.catch(() => sendSignal(pid, "SIGKILL"));
    }
  }
}

async function runQuietly(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  await once(spawn(process.execPath, args, { env, stdio: "ignore" }), "close");
}

/** Whether a daemon of a home has this pid: in a lock of another PID namespace it means another process. */
function isOf(pid: number, home: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(home);
  } catch {
    return false;
  }
}

function readPid(file: string): number[] {
  try {
    return [Number(readFileSync(file, "utf8"))].filter((pid) => pid > 0);
  } catch {
    return [];
  }
}

/** The text of a stream so far. */
export function collect(stream: NodeJS.ReadableStream | null): () => string {
  const pieces: Buffer[] = [];
  stream?.on("data", (piece: Buffer) => pieces.push(piece));
  return () => Buffer.concat(pieces).toString("utf8");
}

/** The pid that answers on a port. */
export async function whoAnswers(port: number): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}`, { headers: { connection: "close" } })).text();
}
