import { statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join, resolve } from "node:path";

import { messageOf, newelError } from "./errors.ts";
import { makeDirectory } from "./make-directory.ts";

/** The bytes a Unix socket path may have (sun_path less its closing NUL). */
const SOCKET_PATH_BYTES = 107;

/** The files of one home directory: one home has one kernel and one supervisor. */
export interface Home {
  /** The absolute path of the home directory. */
  readonly directory: string;
  /** The Unix socket of the kernel. */
  readonly kernelSocket: string;
  /** The log of the kernel. */
  readonly kernelLog: string;
  /** The file that a running kernel keeps locked. */
  readonly kernelLock: string;
  /** The journal of the kernel: its sockets, values and processes. */
  readonly journal: string;
  /** The directory for the output of processes. */
  readonly spoolDirectory: string;
  /** The directory for the FIFOs into which processes write. */
  readonly fifoDirectory: string;
  /** The directory for the output of processes that left the kernel's list. */
  readonly archiveDirectory: string;
  /** The Unix socket of the supervisor. */
  readonly supervisorSocket: string;
  /** The socket to which the kernel sends the supervisor copies of its sockets. */
  readonly supervisorHolder: string;
  /** The log of the supervisor. */
  readonly supervisorLog: string;
  /** The file that a running supervisor keeps locked. */
  readonly supervisorLock: string;
  /** Control sockets of processes that run the preload (`newel/register`). */
  readonly controlDirectory: string;
  /** The copies of newel's own programs that the daemons and the preload run from. */
  readonly runtimeDirectory: string;
}

/**
 * Finds the home, the directory of newel's state: `$NEWEL_HOME`, else `/var/lib/newel` for root, else
 * `$XDG_STATE_HOME/newel`, else `~/.local/state/newel`. The result is the same from ssh, cron and su.
 * @param environment - default `process.env`
 * @throws NEWEL_E_HOME_PATH when the path is too long for a Unix socket in the directory
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
 * The files of the home in `directory`, which is resolved against the working directory, because daemons and
 * services run in another one. No file is created.
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
 * Creates the home's directories with access for their owner only.
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
      makeDirectory(directory, 0o700);
    } catch (error) {
      throw newelError(
        "NEWEL_E_HOME_ACCESS",
        { home: home.directory, why: messageOf(error) },
        error,
      );
    }
  }
  const { uid, mode } = statSync(home.directory);
  // Services of root may run as other users, which enter the home and cannot list it.
  const isEntered = uid === 0 && (mode & 0o777) === 0o711;
  const why =
    uid !== process.getuid?.()
      ? `it belongs to uid ${uid}`
      : (mode & 0o077) !== 0 && !isEntered
        ? `its mode is ${(mode & 0o777).toString(8)}, so others may enter`
        : undefined;
  if (why !== undefined) throw newelError("NEWEL_E_HOME_ACCESS", { home: home.directory, why });
}
