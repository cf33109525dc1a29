import type { ChildProcessByStdio } from "node:child_process";
import type { Readable } from "node:stream";

import { systemCode } from "../base/errors.ts";
import { processEnvironment } from "./config/environment.ts";
import type { CheckCommand, ResolvedService } from "./config/resolved.ts";
import type { RunName } from "./process-names.ts";
import { isOtherUser, launchNumbers } from "./launch-request.ts";

/** The end of the output of a check that a message shows, in characters. */
const SHOWN_CHARACTERS = 200;

/**
 * Runs a command that checks a replica: in its directory, with its environment, in its own process group, which
 * is killed when the time is over or the signal aborts.
 *
 * @returns how it failed, as the rest of a sentence; `undefined` when it ended with 0
 */
export function checkByCommand(
  command: CheckCommand,
  replica: CommandReplica,
  limits: CommandLimits,
): Promise<string | undefined> {
  return runCommand(command, replica, { ...limits, name: "its check" });
}

/** The replica that a command is for. */
export interface CommandReplica {
  readonly spec: ResolvedService;
  readonly run: RunName;
  readonly home: string;
  /** Variables in addition to those of the service. */
  readonly variables?: Readonly<Record<string, string>>;
}

interface CommandLimits {
  readonly timeoutMs: number;
  /** Ends the command. */
  readonly signal: AbortSignal;
}

/**
 * Runs a command for a replica, as {@link checkByCommand} does.
 *
 * @param options.name - the subject of the sentence about a failure
 * @param options.shown - how many of its last lines that sentence has
 */
export function runCommand(
  command: CheckCommand,
  { spec, run, home, variables }: CommandReplica,
  options: CommandLimits & { readonly name: string; readonly shown?: number },
): Promise<string | undefined> {
  // Loaded with the first check: few services have one.
  const { spawn } = process.getBuiltinModule("node:child_process");
  const [file = "", ...args] = typeof command === "string" ? ["/bin/sh", "-c", command] : command;
  const { uid, gid } = spec.identity ?? {};
  const env = {
    ...processEnvironment(spec, launchNumbers(spec, run)),
    ...(isOtherUser(spec) ? {} : { NEWEL_HOME: home }),
    NEWEL_REPLICA: String(run.slot),
    ...variables,
  };
  const child = spawn(file, args, {
    cwd: spec.cwd,
    env,
    detached: true,
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  return resultOf(child, options);
}

/** Waits for the end of a check, and kills its process group when the time is over or the signal aborts. */
function resultOf(
  child: ChildProcessByStdio<null, Readable, Readable>,
  { timeoutMs, signal, name, shown = 1 }: CommandLimits & { name: string; shown?: number },
): Promise<string | undefined> {
  let output = "";
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child.pid);
  }, timeoutMs);
  const kill = (): void => killGroup(child.pid);
  signal.addEventListener("abort", kill, { once: true });
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      output = (output + chunk.toString("utf8")).slice(-SHOWN_CHARACTERS * shown);
    });
  return new Promise<string | undefined>((resolve) => {
    child.on("error", (error) => resolve(`${name} could not be run: ${error.message}`));
    // A process that it left behind may keep the pipes open.
    child.on("exit", (code, by) => {
      if (timedOut) resolve(`${name} did not end within ${timeoutMs} ms`);
      else resolve(code === 0 ? undefined : describe(code, by, name, lastLines(output, shown)));
    });
  }).finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", kill);
    child.stdout.destroy();
    child.stderr.destroy();
  });
}

function lastLines(output: string, count: number): string {
  const lines = output.trim().split("\n").slice(-count);
  return lines.map((line) => line.replaceAll(/\p{Cc}+/gu, " ").trim()).join(" / ");
}

function describe(code: number | null, by: string | null, name: string, said: string): string {
  const how = code === null ? `by ${by}` : `with exit code ${code}`;
  return `${name} ended ${how}${said === "" ? "" : `: ${said}`}`;
}

/** A program that could not be started has no process. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    // It has just ended by itself.
    if (systemCode(error) !== "ESRCH") throw error;
  }
}
