import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  closeSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { packageVersion } from "../base/version.ts";
import { setCloseOnExec } from "../posix/descriptors.ts";
import { spawnProcess } from "../posix/spawn.ts";
import { FRUGAL_ARGS } from "./frugal-args.ts";
import { readJournal } from "./journal.ts";
import type { OpenKernel } from "./kernel.ts";
import type { Listeners } from "./listeners.ts";
import { replay } from "./recovery.ts";
import type { Handover } from "./take-back.ts";

/** A build of newel: the Node.js to run it and its kernel program. */
export interface Build {
  readonly node: string;
  readonly program: string;
}

/** What a new build answers when it is tried. */
export interface Rehearsal {
  readonly version: string;
  readonly processes: number;
}

/** What the image before this one left, with the lock it holds. */
export interface ReceivedHandover extends Handover {
  readonly lockFd: number;
  /** Missing when that image was of a build that closed them. */
  readonly listeners?: Listeners;
}

const TRIAL_MS = 20_000;
/** Of what a trial said, shown with a refusal. */
const SAID_CHARACTERS = 500;

/**
 * Tries a build before it replaces anything: a process of its own loads it, replays a copy of the
 * journal and reports.
 *
 * @throws NEWEL_E_UPGRADE_REFUSED when it cannot boot
 */
export async function tryBuild(kernel: OpenKernel, home: Home, build: Build): Promise<Rehearsal> {
  const directory = mkdtempSync(join(home.directory, "trial-"));
  const report = join(directory, "report");
  try {
    copyFileSync(home.journal, join(directory, "journal"));
    const exitCode = await runTrial(kernel, build, directory, report);
    const said = readFileSync(report, "utf8").trim();
    const rehearsal = exitCode === 0 ? parseRehearsal(said.split("\n").at(-1) ?? "") : undefined;
    if (rehearsal === undefined)
      throw refused(build, `it ended with ${exitCode}: ${causeIn(said)}`);
    return rehearsal;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function runTrial(
  kernel: OpenKernel,
  build: Build,
  directory: string,
  report: string,
): Promise<number> {
  if (!existsSync(build.program)) throw refused(build, "there is no such file");
  const none = openSync("/dev/null", "r");
  const out = openSync(report, "w", 0o600);
  try {
    const pid = spawnProcess({
      file: build.node,
      argv: [build.node, build.program, "--rehearse", directory],
      env: { PATH: process.env["PATH"] ?? "", HOME: directory },
      workingDir: "/",
      descriptors: [none, out, out],
    });
    const late = setTimeout(() => process.kill(pid, "SIGKILL"), TRIAL_MS);
    return await kernel.awaitChild(pid).finally(() => clearTimeout(late));
  } finally {
    closeSync(none);
    closeSync(out);
  }
}

/** The other side of {@link tryBuild}: runs in the new build. */
export function rehearse(directory: string): Rehearsal {
  const { records } = readJournal(join(directory, "journal"));
  return { version: packageVersion(), processes: replay(records).processes.size };
}

/**
 * Replaces this process's program by a build: same pid, its children still its children, the listening
 * sockets and FIFOs open all the while.
 */
export function replaceKernel(build: Build, home: Home, handover: ReceivedHandover): never {
  for (const fd of descriptorsOf(handover)) setCloseOnExec(fd, false);
  writeFileSync(handoverPath(home), JSON.stringify(handover), { mode: 0o600 });
  const args = ["--home", home.directory, "--handover"];
  const argv = [build.node, ...FRUGAL_ARGS, build.program, ...args];
  if (process.execve === undefined) {
    throw newelError("NEWEL_E_PLATFORM", { what: "process.execve", platform: process.version });
  }
  return process.execve(build.node, argv, process.env);
}

/** What {@link replaceKernel} left for this image; gone once it was read. */
export function takeHandover(home: Home): ReceivedHandover {
  const path = handoverPath(home);
  const handover = JSON.parse(readFileSync(path, "utf8")) as ReceivedHandover;
  rmSync(path);
  for (const fd of descriptorsOf(handover)) setCloseOnExec(fd, true);
  return handover;
}

function descriptorsOf({ lockFd, listeners, sockets, readers }: ReceivedHandover): number[] {
  const kept = Object.values(readers).flatMap((each) => Object.values(each));
  const listening = listeners === undefined ? [] : [listeners.local, ...listeners.tcp];
  return [lockFd, ...listening, ...Object.values(sockets), ...kept];
}

function handoverPath(home: Home): string {
  return join(home.directory, "handover.json");
}

function parseRehearsal(line: string): Rehearsal | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (
      typeof value !== "object" ||
      value === null ||
      !("version" in value) ||
      !("processes" in value)
    )
      return undefined;
    return { version: String(value.version), processes: Number(value.processes) };
  } catch (error) {
    // Whatever else it printed is shown with the refusal.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** What a trial that failed said: its error without the stack, else the end of what it said. */
function causeIn(said: string): string {
  const error = said.split("\n").find((line) => /^\w*Error\b/.test(line));
  return error?.slice(0, SAID_CHARACTERS) ?? said.slice(-SAID_CHARACTERS);
}

function refused(build: Build, why: string): Error {
  return newelError("NEWEL_E_UPGRADE_REFUSED", { program: build.program, why });
}
