import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { messageOf, newelError } from "./errors.ts";
import { type Home, makeHome } from "./home.ts";
import { nodeProgram } from "./node.ts";

/** A daemon of newel that is started by the first process that needs it. */
export interface DaemonProgram {
  readonly home: Home;
  /** Its main module. */
  readonly program: string;
  /** The file for its output: one of the home's logs. */
  readonly log: string;
  /** Options of Node.js for it. */
  readonly nodeArgs?: readonly string[];
  /** Descriptors that are passed to it by name, as systemd does. */
  readonly stored?: Readonly<Record<string, number>>;
}

/** A block of a file system. */
const PROBE_BYTES = 4_096;

/** Sets LISTEN_PID as systemd does: only the process itself knows its pid. */
const WITH_LISTEN_PID = 'LISTEN_PID=$$; export LISTEN_PID; exec "$0" "$@"';

/**
 * Starts a daemon in a new session, with its output in its log.
 *
 * @param ended - called when the daemon ends while this process lives: the exit code, and the reason as text
 */
export async function launchDaemon(
  { home, program, log, nodeArgs = [], stored = {} }: DaemonProgram,
  ended: (code: number | null, why: string) => void,
): Promise<void> {
  const { spawn } = await import("node:child_process");
  makeHome(home);
  const output = openLog(home, log);
  const command = [nodeProgram(), ...nodeArgs, program, "--home", home.directory, "--autostart"];
  const names = Object.keys(stored);
  const passing = { LISTEN_FDS: String(names.length), LISTEN_FDNAMES: names.join(":") };
  const [file = "", ...args] =
    names.length === 0 ? command : ["/bin/sh", "-c", WITH_LISTEN_PID, ...command];
  const child = spawn(file, args, {
    detached: true,
    stdio: ["ignore", output, output, ...Object.values(stored)],
    cwd: "/",
    env: { ...daemonEnvironment(), ...(names.length === 0 ? {} : passing) },
  });
  closeSync(output);
  child.on("error", (error) => ended(null, messageOf(error)));
  child.on("exit", (code, signal) =>
    ended(
      code,
      `it ended with ${signal ?? code} as it started; ${writeTrouble(home) ?? `the end of ${log}: ${lastLine(log)}`}`,
    ),
  );
  child.unref();
}

/** @throws NEWEL_E_HOME_ACCESS when the log cannot be written */
function openLog(home: Home, log: string): number {
  try {
    return openSync(log, "a", 0o600);
  } catch (error) {
    throw newelError("NEWEL_E_HOME_ACCESS", { home: home.directory, why: messageOf(error) }, error);
  }
}

/**
 * The environment of a daemon: without variables that are for the caller alone, such as those of its
 * descriptors and preloaded modules.
 */
function daemonEnvironment(): NodeJS.ProcessEnv {
  const personal = /^(NEWEL_|LISTEN_|NODE_OPTIONS$|NODE_CHANNEL_|NOTIFY_SOCKET$|WATCHDOG_)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !personal.test(name)));
}

/** Why a home cannot be written, such as a full disk: then the log of the daemon lacks the reason too. */
function writeTrouble({ directory }: Home): string | undefined {
  const probe = join(directory, `probe-${process.pid}`);
  try {
    writeFileSync(probe, Buffer.alloc(PROBE_BYTES));
    return undefined;
  } catch (error) {
    return `its home cannot be written (${messageOf(error)})`;
  } finally {
    rmSync(probe, { force: true });
  }
}

function lastLine(file: string): string {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").at(-1) ?? "";
  } catch (error) {
    return messageOf(error);
  }
}
