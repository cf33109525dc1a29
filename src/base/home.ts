import { mkdirSync, statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join, resolve } from "node:path";

import { messageOf, newelError } from "./errors.ts";

/** The bytes a Unix socket path may have (sun_path less its closing NUL). */
const SOCKET_PATH_BYTES = 107;

/** The files of one home directory: one home has one kernel and one supervisor. */
export interface Home {
  readonly directory: string;
  readonly kernelSocket: string;
  readonly kernelLog: string;
  readonly kernelLock: string;
  readonly journal: string;
  readonly spoolDirectory: string;
  readonly fifoDirectory: string;
  /** The output of processes that left the kernel's list. */
  readonly archiveDirectory: string;
  readonly supervisorSocket: string;
  /** Where the kernel sends the supervisor copies of its sockets. */
  readonly supervisorHolder: string;
  readonly supervisorLog: string;
  readonly supervisorLock: string;
  /** Control sockets of processes that run the preload (`newel/register`). */
  readonly controlDirectory: string;
  /** The copies of newel's own programs that the daemons and the preload run from. */
  readonly runtimeDirectory: string;
}

/**
 * Where newel keeps its state: `$NEWEL_HOME`, else `/var/lib/newel` for root, else
 * `$XDG_STATE_HOME/newel`, else `~/.local/state/newel`. The same from ssh, cron and su.
 *
 * @param environment - default `process.env`
 * @throws NEWEL_E_HOME_PATH when the directory is too long for a Unix socket in it
 */
export function findHome(environment: NodeJS.ProcessEnv = process.env): Home {
  return homeAt(homeDirectory(environment));
}

function homeDirectory(environment: NodeJS.ProcessEnv): string {
  const chosen = environment["NEWEL_HOME"];
  if (chosen !== undefined && chosen !== "") return chosen;
  if (userInfo().uid === 0) return "/var/lib/newel";
  const state = environment["XDG_STATE_HOME"];
  return state !== undefined && state !== ""
    ? join(state, "newel")
    : join(homedir(), ".local/state/newel");
}

/**
 * The files of the home in `directory`, which is resolved against the working directory: daemons and
 * services have another one. Nothing is created.
 */
export function homeAt(path: string): Home {
  const directory = resolve(path);
  const supervisorSocket = join(directory, "supervisor.sock");
  const length = Buffer.byteLength(supervisorSocket);
  if (length > SOCKET_PATH_BYTES)
    throw newelError("NEWEL_E_HOME_PATH", { path: supervisorSocket, length });
  return {
    directory,
    kernelSocket: join(directory, "kernel.sock"),
    kernelLog: join(directory, "kernel.log"),
    kernelLock: join(directory, "kernel.lock"),
    journal: join(directory, "journal"),
    spoolDirectory: join(directory, "spool"),
    fifoDirectory: join(directory, "fifo"),
    archiveDirectory: join(directory, "archive"),
    supervisorSocket,
    supervisorHolder: join(directory, "supervisor.fds"),
    supervisorLog: join(directory, "supervisor.log"),
    supervisorLock: join(directory, "supervisor.lock"),
    controlDirectory: join(directory, "control"),
    runtimeDirectory: join(directory, "runtime"),
  };
}

/**
 * Creates the home's directories, closed to other users.
 *
 * @throws NEWEL_E_HOME_ACCESS when they cannot be made, or belong to another user
 */
export function makeHome(home: Home): void {
  for (const directory of [
    home.directory,
    home.spoolDirectory,
    home.fifoDirectory,
    home.controlDirectory,
  ]) {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw newelError(
        "NEWEL_E_HOME_ACCESS",
        { home: home.directory, why: messageOf(error) },
        error,
      );
    }
  }
  const { uid, mode } = statSync(home.directory);
  const why =
    uid !== process.getuid?.()
      ? `it belongs to uid ${uid}`
      : (mode & 0o077) !== 0
        ? `its mode is ${(mode & 0o777).toString(8)}, so others may enter`
        : undefined;
  if (why !== undefined) throw newelError("NEWEL_E_HOME_ACCESS", { home: home.directory, why });
}
