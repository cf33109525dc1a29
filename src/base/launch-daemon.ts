import { closeSync, openSync, readFileSync } from "node:fs";

import { messageOf, newelError } from "./errors.ts";
import { type Home, makeHome } from "./home.ts";
import { nodeProgram } from "./node.ts";

/** A daemon of ours that is started by whoever needs it. */
export interface DaemonProgram {
  readonly home: Home;
  /** Its main module. */
  readonly program: string;
  /** Where its output goes: one of the home's logs. */
  readonly log: string;
  /** Options of Node.js for it. */
  readonly nodeArgs?: readonly string[];
  /** Descriptors that are passed to it by name, as systemd does. */
  readonly stored?: Readonly<Record<string, number>>;
}

/** Says who is meant as systemd does: only in the process itself its pid is known. */
const WITH_LISTEN_PID = 'LISTEN_PID=$$; export LISTEN_PID; exec "$0" "$@"';

/**
 * Starts a daemon in a session of its own, with its output in its log.
 *
 * @param ended - called when it ends while this process lives: the exit code, and in words why
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
      `it ended with ${signal ?? code} as it started; the end of ${log}: ${lastLine(log)}`,
    ),
  );
  child.unref();
}

/** @throws NEWEL_E_HOME_ACCESS when it cannot be written */
function openLog(home: Home, log: string): number {
  try {
    return openSync(log, "a", 0o600);
  } catch (error) {
    throw newelError("NEWEL_E_HOME_ACCESS", { home: home.directory, why: messageOf(error) }, error);
  }
}

/**
 * The environment a daemon is started with: not what was meant for the caller alone, such as its
 * descriptors and the modules it preloads.
 */
function daemonEnvironment(): NodeJS.ProcessEnv {
  const personal = /^(NEWEL_|LISTEN_|NODE_OPTIONS$|NODE_CHANNEL_|NOTIFY_SOCKET$|WATCHDOG_)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !personal.test(name)));
}

function lastLine(file: string): string {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").at(-1) ?? "";
  } catch (error) {
    return messageOf(error);
  }
}
