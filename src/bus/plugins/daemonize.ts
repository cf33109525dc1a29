import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

import { messageOf, newelError } from "../../base/errors.ts";
import type { redirectToFile } from "../../posix/redirect.ts";
import type { Bus } from "../bus.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { DAEMON, inheritance } from "../inheritance.ts";
import { notWritable } from "../not-writable.ts";
import { leave } from "../output.ts";

/** Options of `daemonize`. */
export interface DaemonOptions {
  /** The file to which stdout is appended. Default /dev/null. */
  readonly stdout?: string;
  /**
   * The file for stderr once the daemon is ready; until then the launcher shows it. Default: as
   * stdout.
   */
  readonly stderr?: string;
  /**
   * The working directory, set at the start. Default `/`, so that no file system is kept in use.
   */
  readonly directory?: string;
  /** The umask of the daemon. Default 0o022. */
  readonly umask?: number;
  /** Priority of the `start` listener. Default 0: earlier listeners run in the launcher, too. */
  readonly priority?: number;
  /**
   * Called in the launcher once the daemon runs, before the launcher ends: for a message to the
   * user.
   */
  readonly launched?: (pid: number) => void;
}

/** The descriptor over which the daemon reports the outcome of its start to its launcher. */
const READINESS_FD = 3;

/**
 * Runs the program as a daemon: `bus.start()` starts it again in a new session, without a terminal,
 * and waits. When the daemon's bus has started the launcher ends with 0. When it fails, the
 * launcher shows the daemon's stderr and ends with its exit code, never with 0.
 *
 * The module of the program runs in both processes, up to `bus.start()`.
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
  if (launched) reportStart(bus, options, priority);
  return true;
}

async function launch(options: DaemonOptions, signal: AbortSignal): Promise<void> {
  // The daemon opens this file after its start, when it cannot refuse any more.
  if (options.stderr !== undefined) closeSync(openOutput(options.stderr));
  const output = openOutput(options.stdout ?? "/dev/null");
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

function openOutput(path: string): number {
  try {
    return openSync(path, "a", 0o600);
  } catch (error) {
    throw notWritable("log file", path, error);
  }
}

/** Resolves with 0 as soon as the daemon is ready, or with its exit code. */
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

/** Sends one line to the launcher, then removes its descriptor and variables. */
function reportStart(bus: Bus, options: DaemonOptions, priority: number): void {
  let redirect: typeof redirectToFile | undefined;
  const load = async (): Promise<void> => {
    if (process.platform === "linux")
      redirect = (await import("../../posix/redirect.ts")).redirectToFile;
  };
  bus.subscribe("start", load, { name: "daemonize", priority });
  let told = false;
  const tell = (line: string): void => {
    if (told) return;
    told = true;
    writeSync(READINESS_FD, `${line}\n`);
    closeSync(READINESS_FD);
  };
  bus.subscribe("started", () => {
    // The launcher is about to end, and with it the reader of this pipe.
    redirect?.(2, options.stderr ?? options.stdout ?? "/dev/null");
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
