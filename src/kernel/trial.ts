import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { basename, join } from "node:path";

import { isNewelError, messageOf, newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { packageVersion } from "../base/version.ts";
import { dieWithParent } from "../posix/process.ts";
import { spawnProcess } from "../posix/spawn.ts";
import { findMarked, signalSeen } from "./descendants.ts";
import { HANDOVER_FORMAT } from "./handover.ts";
import { readJournal } from "./journal-file.ts";
import type { OpenKernel } from "./kernel.ts";
import { replay } from "./recovery.ts";

/**
 * The trial of a build before it replaces the running kernel: a separate process loads it, replays a copy of
 * the journal and reports. The trial's directory and processes are removed afterwards; if the kernel was
 * killed during the trial, the next kernel removes them.
 */

/** A build of newel: the Node.js to run it and its kernel program. */
export interface Build {
  readonly node: string;
  readonly program: string;
}

/** The answer of a build under trial. */
export interface Rehearsal {
  readonly version: string;
  readonly processes: number;
}

/** A trial in progress. */
export interface Trial {
  /** @throws NEWEL_E_UPGRADE_REFUSED when the build cannot take over */
  readonly result: Promise<Rehearsal>;
  /** Ends the processes of the trial and removes its files at once; the result may then never settle. */
  abandon(): void;
}

const TRIAL_MS = 20_000;
/** Characters of a trial's output that a refusal shows. */
const SAID_CHARACTERS = 500;
const PREFIX = "trial-";
/** The environment variable that marks each process of a trial; its value is the directory of the trial. */
const MARK = "NEWEL_TRIAL";

/** Tries a build. */
export function tryBuild(kernel: OpenKernel, home: Home, build: Build): Trial {
  let directory: string;
  try {
    directory = mkdtempSync(join(home.directory, PREFIX));
  } catch (error) {
    return { result: Promise.reject(refusal(build, error)), abandon: () => undefined };
  }
  const abandon = (): void => removeTrial(directory);
  const result = perform(kernel, home, build, directory)
    .catch((error: unknown) => Promise.reject(refusal(build, error)))
    .finally(abandon);
  return { result, abandon };
}

/** Removes the rest of trials that were cut off by a kill of the kernel or the end of the machine. */
export function removeTrials(home: Home): void {
  for (const name of readdirSync(home.directory))
    if (name.startsWith(PREFIX)) removeTrial(join(home.directory, name));
}

/** The counterpart of {@link tryBuild}: runs in the new build. */
export function rehearse(directory: string): Rehearsal & { readonly handover: number } {
  const { records } = readJournal(join(directory, "journal"));
  const { processes } = replay(records);
  return { version: packageVersion(), processes: processes.size, handover: HANDOVER_FORMAT };
}

/** Makes this process end with the kernel that tries it. */
export function endWithKernel(): void {
  dieWithParent();
}

function removeTrial(directory: string): void {
  for (const seen of findMarked(MARK, basename(directory))) signalSeen(seen, 9);
  rmSync(directory, { recursive: true, force: true });
}

async function perform(
  kernel: OpenKernel,
  home: Home,
  build: Build,
  directory: string,
): Promise<Rehearsal> {
  const report = join(directory, "report");
  if (existsSync(home.journal)) copyFileSync(home.journal, join(directory, "journal"));
  const exitCode = await run(kernel, build, directory, report);
  const said = readFileSync(report, "utf8").trim();
  const rehearsal = exitCode === 0 ? parseRehearsal(said.split("\n").at(-1) ?? "") : undefined;
  if (rehearsal === undefined) throw refused(build, `it ended with ${exitCode}: ${causeIn(said)}`);
  if (rehearsal.handover !== HANDOVER_FORMAT)
    throw refused(
      build,
      `version ${rehearsal.version} takes descriptors over in another way; stop the kernel and start that version`,
    );
  return { version: rehearsal.version, processes: rehearsal.processes };
}

async function run(
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
      env: { PATH: process.env["PATH"] ?? "", HOME: directory, [MARK]: basename(directory) },
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

function parseRehearsal(line: string): (Rehearsal & { readonly handover: unknown }) | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null) return undefined;
    if (!("version" in value) || !("processes" in value)) return undefined;
    return {
      version: String(value.version),
      processes: Number(value.processes),
      handover: "handover" in value ? value.handover : undefined,
    };
  } catch (error) {
    // Any other output is shown with the refusal.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The cause in the output of a failed trial: its error without the stack, else the end of the output. */
function causeIn(said: string): string {
  const error = said.split("\n").find((line) => /^\w*Error\b/.test(line));
  return error?.slice(0, SAID_CHARACTERS) ?? said.slice(-SAID_CHARACTERS);
}

function refusal(build: Build, error: unknown): Error {
  return isNewelError(error) && error.code === "NEWEL_E_UPGRADE_REFUSED"
    ? error
    : refused(build, `it could not be tried: ${messageOf(error)}`);
}

/** A refused upgrade changes nothing. */
export function refused(build: Build, why: string): Error {
  return newelError("NEWEL_E_UPGRADE_REFUSED", { program: build.program, why });
}
