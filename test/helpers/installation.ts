import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { homeAt } from "../../src/base/home.ts";
import { cleanUp, eventually, isAlive, type Scope, temporaryDirectory } from "./resources.ts";
import { sendSignal } from "./signals.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The output of a command, and its exit code. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A directory with newel installed in it, as by `npm install`, in any version. */
export class Installation {
  readonly directory: string;
  readonly home: string;
  readonly #scope: Scope;

  constructor(scope: Scope, options: { readonly version: string; readonly home: string }) {
    buildIfStale();
    this.#scope = scope;
    this.home = options.home;
    this.directory = temporaryDirectory(scope);
    const target = this.package;
    mkdirSync(target, { recursive: true });
    cpSync(join(ROOT, "dist"), join(target, "dist"), { recursive: true });
    const text = readFileSync(join(ROOT, "package.json"), "utf8");
    const description = { ...(JSON.parse(text) as object), version: options.version };
    writeFileSync(join(target, "package.json"), JSON.stringify(description));
    symlinkSync(join(ROOT, "node_modules"), join(target, "node_modules"));
  }

  get package(): string {
    return join(this.directory, "node_modules/newel");
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text);
  }

  /** Removes the installation, as when a release is pruned. */
  remove(): void {
    rmSync(this.directory, { recursive: true });
  }

  /** Runs the installed command in its directory. */
  newel(...args: string[]): Promise<Ran> {
    return this.newelWith({}, ...args);
  }

  async newelWith(
    options: { readonly node?: string; readonly env?: NodeJS.ProcessEnv },
    ...args: string[]
  ): Promise<Ran> {
    const child = spawn(
      options.node ?? process.execPath,
      [join(this.package, "dist/cli/main.js"), ...args],
      { cwd: this.directory, env: { ...process.env, ...options.env, NEWEL_HOME: this.home } },
    );
    cleanUp(this.#scope, () => void child.kill("SIGKILL"));
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (piece: Buffer) => out.push(piece));
    child.stderr.on("data", (piece: Buffer) => err.push(piece));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
  }

  /** Runs the command as {@link newel}, and throws unless it ends with 0. */
  async succeed(...args: string[]): Promise<Ran> {
    const ran = await this.newel(...args);
    if (ran.code !== 0)
      throw new Error(`newel ${args.join(" ")} ended with ${ran.code}: ${ran.stderr}`);
    return ran;
  }

  /** The pids and versions of the daemons. */
  async daemons(): Promise<Daemons> {
    return JSON.parse((await this.succeed("version", "--json")).stdout) as Daemons;
  }
}

/** The output of `newel version --json`. */
export interface Daemons {
  readonly supervisor: { readonly pid: number; readonly version: string } | null;
  readonly kernel: { readonly pid: number; readonly version: string } | null;
}

/** A home whose daemons and services end with the test, whichever version is installed by then. */
export function homeOfInstallations(scope: Scope, directory = temporaryDirectory(scope)): string {
  cleanUp(scope, async () => {
    const { supervisorLock, kernelLock } = homeAt(directory);
    await killAt(supervisorLock);
    const services = servicesOf(directory);
    await killAt(kernelLock);
    for (const pid of services) if (isAlive(pid)) sendSignal(pid, "SIGKILL");
  });
  return directory;
}

async function killAt(lock: string): Promise<void> {
  const pid = existsSync(lock) ? Number(readFileSync(lock, "utf8")) : 0;
  if (!(pid > 0) || !isAlive(pid)) return;
  sendSignal(pid, "SIGKILL");
  await eventually(() => !isAlive(pid), `daemon ${pid} ended`);
}

/** The pids of the processes that a home's kernel started: their environment names the home. */
function servicesOf(home: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => {
      const variables = readEnvironment(pid).split("\0");
      return (
        variables.includes(`NEWEL_HOME=${home}`) &&
        variables.some((text) => text.startsWith("NEWEL_MARK="))
      );
    });
}

function readEnvironment(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8");
  } catch {
    // The process has ended, or belongs to another user.
    return "";
  }
}

let isBuilt = false;

/** Builds the package if it is older than the sources, so that the tests run the present sources. */
function buildIfStale(): void {
  if (isBuilt) return;
  const manifest = join(ROOT, "dist/build.json");
  const builtMs = existsSync(manifest) ? statSync(manifest).mtimeMs : 0;
  const isNewer = (directory: string): boolean =>
    readdirSync(join(ROOT, directory), { recursive: true }).some(
      (name) => statSync(join(ROOT, directory, String(name))).mtimeMs > builtMs,
    );
  if (isNewer("src") || isNewer("scripts")) {
    const { status, stderr } = spawnSync(process.execPath, ["scripts/build.mjs"], {
      cwd: ROOT,
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`newel could not be built: ${stderr}`);
  }
  isBuilt = true;
}
