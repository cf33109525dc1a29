import { accessSync, constants, existsSync, readFileSync, statfsSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname, join } from "node:path";

import { isNewelError, systemCode } from "../../base/errors.ts";
import { findHome, type Home } from "../../base/home.ts";
import { preloadPath } from "../../base/modules.ts";
import { isNoexec } from "../../base/mounts.ts";
import { pathProblem } from "../../base/path-problem.ts";
import { readLink } from "../../base/runtime-links.ts";
import { formatSize } from "../../base/units.ts";
import { packageVersion } from "../../base/version.ts";
import { PRELOAD_FILE } from "../../base/node-options.ts";
import { isInstalled, unitDirectory } from "../commands/startup.ts";
import type { Context } from "../command.ts";
import type { Finding } from "./types.ts";

/** Less room than this is a problem: output, journal and the copy of newel need about 20 MB to begin with. */
const LEAST_ROOM_BYTES = 64_000_000;
/** A file may be written by a machine whose clock is a little ahead. */
const CLOCK_SLACK_MS = 60_000;

/** The versions of newel and of its Node.js. */
export function checkVersions(): Finding[] {
  const what = `newel ${packageVersion()} on Node.js ${process.version}`;
  return [{ check: "versions", state: "ok", what }];
}

/** The directory of the daemons: its owner, its mode, its file system. */
export function checkHome({ environment }: Context): Finding[] {
  const check = "home";
  let home: Home;
  try {
    home = findHome(environment);
  } catch (error) {
    if (!isNewelError(error)) throw error;
    return [{ check, state: "problem", what: error.message, fix: error.fix }];
  }
  const { directory } = home;
  const place = nearestDirectory(directory);
  try {
    accessSync(place, constants.W_OK | constants.X_OK);
  } catch (error) {
    const what = `${directory} cannot be used: ${pathProblem(join(place, "x"), error)}`;
    const fix = "Give the directory to this user, or set NEWEL_HOME to another one.";
    return [{ check, state: "problem", what, fix }];
  }
  return [...accessFindings(directory), ...roomFindings(directory, place)];
}

function accessFindings(directory: string): Finding[] {
  if (!existsSync(directory))
    return [{ check: "home", state: "ok", what: `${directory} is made by the first newel up` }];
  const { uid, mode } = statSync(directory);
  if (uid !== userInfo().uid) {
    const what = `${directory} belongs to user ${uid}`;
    const fix = "Run newel as that user, or set NEWEL_HOME to a directory of this user.";
    return [{ check: "home", state: "problem", what, fix }];
  }
  if ((mode & 0o077) !== 0) {
    const what = `${directory} has mode ${(mode & 0o777).toString(8)}: other users may enter it`;
    return [{ check: "home", state: "problem", what, fix: `chmod 700 ${directory}` }];
  }
  return [{ check: "home", state: "ok", what: `${directory} belongs to this user alone` }];
}

function roomFindings(directory: string, place: string): Finding[] {
  const { bavail, bsize, files, ffree } = statfsSync(place);
  const free = formatSize(bavail * bsize);
  const fix = `Free space on the file system of ${directory}, lower logs.bufsize, or run newel logs --prune.`;
  if (files > 0 && ffree === 0)
    return [
      {
        check: "space",
        state: "problem",
        what: "no file can be made there: no inode is left",
        fix,
      },
    ];
  if (bavail * bsize < LEAST_ROOM_BYTES)
    return [{ check: "space", state: "problem", what: `${free} are left`, fix }];
  if (isNoexec(place)) {
    const what = `${place} is on a file system without the right to execute (noexec)`;
    const moves = "Set NEWEL_HOME to a directory on another file system.";
    return [{ check: "space", state: "problem", what, fix: moves }];
  }
  return [{ check: "space", state: "ok", what: `${free} are free` }];
}

function nearestDirectory(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestDirectory(dirname(path));
}

/** A clock that is behind makes ages and times of events wrong. */
export function checkClock({ environment }: Context): Finding[] {
  const check = "clock";
  const now = Date.now();
  const { journal } = findHome(environment);
  const written = statSync(journal, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (written > now + CLOCK_SLACK_MS) {
    const what = `${new Date(now).toISOString()} is before the last change of ${journal}, ${new Date(written).toISOString()}`;
    const fix = "Set the clock, for example by NTP; restarts and time limits do not depend on it.";
    return [{ check, state: "problem", what, fix }];
  }
  return [{ check, state: "ok", what: new Date(now).toISOString() }];
}

/** Whether newel starts with the machine. */
export function checkStartup(context: Context): Finding[] {
  const check = "startup";
  if (!existsSync("/run/systemd/system")) {
    const what =
      "this machine does not run systemd: the first command of newel after a reboot starts the apps that were up";
    return [{ check, state: "note", what }];
  }
  const isSystem = userInfo().uid === 0;
  const directory = unitDirectory(isSystem, context);
  if (!isInstalled(directory)) {
    const what = `${directory} has no unit of newel: apps start after a reboot with the first command of newel`;
    return [{ check, state: "note", what, fix: "newel startup --install" }];
  }
  const { username } = userInfo();
  if (!isSystem && !existsSync(`/var/lib/systemd/linger/${username}`)) {
    const what = `lingering is off for ${username}: systemd ends the daemons at the last logout`;
    return [{ check, state: "problem", what, fix: `loginctl enable-linger ${username}` }];
  }
  return [{ check, state: "ok", what: `the units are in ${directory}` }];
}

/** The file that newel puts into the Node.js processes of services. */
export function checkPreload({ environment }: Context): Finding[] {
  const check = "preload";
  const home = findHome(environment);
  const copy = join(home.runtimeDirectory, "current/dist/register", PRELOAD_FILE);
  const file = readLink(home, "current") === undefined ? preloadPath() : copy;
  try {
    readFileSync(file);
    return [{ check, state: "ok", what: file }];
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    const what = `${file} cannot be read: ${pathProblem(file, error)}`;
    const fix = "newel upgrade copies it again; with the sources, npm test or npm start builds it.";
    return [{ check, state: "problem", what, fix }];
  }
}
