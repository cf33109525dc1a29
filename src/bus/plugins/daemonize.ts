import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

import { messageOf, newelError } from "../../base/errors.ts";
import { redirectToFile } from "../../posix/redirect.ts";
import type { Bus } from "../bus.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { DAEMON, inheritance } from "../inheritance.ts";
import { leave } from "../output.ts";

export interface DaemonOptions {
  /** Where stdout goes, appended. Default /dev/null. */
  readonly stdout?: string;
  /** Where stderr goes once the daemon is ready; until then the launcher shows it. Default: as stdout. */
  readonly stderr?: string;
  /** The working directory from the start on. Default `/`, so that no file system is kept in use. */
  readonly directory?: string;
  /** The umask of the daemon. Default 0o022. */
  readonly umask?: number;
  /** Of the `start` listener. Default 0: what runs before runs in the launcher too. */
  readonly priority?: number;
  /** Called in the launcher once the daemon runs, before it ends: the place to tell a person. */
  readonly launched?: (pid: number) => void;
}

/** The descriptor over which the daemon tells its launcher how the start went. */
const READINESS_FD = 3;

/**
 * Makes a daemon of the program: `bus.start()` starts it again in a session of its own, without a
 * terminal, and waits. When the daemon's bus has started the launcher ends with 0. When it fails,
 * the launcher shows what it wrote to stderr and ends with its exit code, never with 0.
 *
 * The module of the program runs in both, up to `bus.start()`.
 *
 * @returns whether this process is the daemon
 */
export function daemonize(bus: Bus, options: DaemonOptions = {}): boolean {
  const { daemon, launched } = inheritance();
  const [name, priority] = ["daemonize", options.priority ?? 0];
  if (!daemon) {
    bus.subscribe("start", ({ signal }) => launch(options, signal), {
      name,
      priority,
      timeoutMs: Infinity,
    });
    return false;
  }
  bus.subscribe("start", () => settleIn(options), { name, priority });
  if (launched) reportStart(bus, options);
  return true;
}

async function launch(options: DaemonOptions, signal: AbortSignal): Promise<void> {
  const output = openSync(options.stdout ?? "/dev/null", "a");
  const args = [...process.execArgv, ...process.argv.slice(1)];
  const child = spawn(process.execPath, args, {
    detached: true,
    env: { ...process.env, [DAEMON]: "1" },
    stdio: ["ignore", output, "pipe", "pipe"],
  });
  closeSync(output);
  signal.addEventListener("abort", () => child.kill("SIGTERM"));
  child.stderr?.pipe(process.stderr, { end: false });
  const code = await startCode(child);
  child.unref();
  if (code === EXIT_CODES.ok) options.launched?.(child.pid ?? 0);
  await leave(code);
}

/** Resolves with 0 as soon as the daemon is ready, or with how it ended instead. */
async function startCode(child: ChildProcess): Promise<number> {
  const ended = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  const lines = createInterface({ input: child.stdio[READINESS_FD] as Readable });
  const first = once(lines, "line") as Promise<[string]>;
  const line = await Promise.race([first, ended.then(() => undefined)]);
  if (line?.[0].startsWith("READY") === true) return EXIT_CODES.ok;
  const [code, signal] = await ended;
  const how = signal === null ? `with code ${code}` : `by ${signal}`;
  const why = line === undefined ? "" : `: ${line[0]}`;
  process.stderr.write(`The daemon ended ${how} before it was ready${why}\n`);
  return code === null || code === EXIT_CODES.ok ? EXIT_CODES.afterFailure : code;
}

function settleIn(options: DaemonOptions): void {
  const directory = options.directory ?? "/";
  try {
    process.chdir(directory);
  } catch (error) {
    throw newelError("NEWEL_E_BAD_WORKING_DIR", { path: directory, why: messageOf(error) }, error);
  }
  process.umask(options.umask ?? 0o022);
}

/** One line for the launcher, then nothing of it is left here. */
function reportStart(bus: Bus, options: DaemonOptions): void {
  let told = false;
  const tell = (line: string): void => {
    if (told) return;
    told = true;
    writeSync(READINESS_FD, `${line}\n`);
    closeSync(READINESS_FD);
  };
  bus.subscribe("started", () => {
    // The launcher is about to go, and with it the reader of this pipe.
    if (process.platform === "linux")
      redirectToFile(2, options.stderr ?? options.stdout ?? "/dev/null");
    tell(`READY ${process.pid}`);
  });
  bus.subscribe("exited", () => {
    const [failure] = bus.failures;
    tell(
      failure === undefined
        ? "it was asked to exit"
        : messageOf(failure.error).replaceAll("\n", " "),
    );
  });
}
