import { spawn } from "node:child_process";

import { newelError, systemCode } from "../base/errors.ts";
import { formatDuration } from "../base/units.ts";

/** A command of a deploy. */
export interface Run {
  /** A line for /bin/sh -c. */
  readonly line: string;
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** In milliseconds; then its process group gets SIGKILL. */
  readonly limitMs: number;
  /** Ends it early, by SIGTERM to its process group and SIGKILL {@link GRACE_MS} later. */
  readonly signal: AbortSignal;
  /** Gets its output, stdout and stderr together. */
  readonly print: (text: string) => void;
}

/** The time between SIGTERM and SIGKILL for a command that is cancelled, in milliseconds. */
const GRACE_MS = 5_000;

/**
 * Runs a command in its own process group, and waits until it has ended and its output was read.
 *
 * @returns its last 20 lines
 * @throws NEWEL_E_DEPLOY_COMMAND when it fails, exceeds its time limit, or is cancelled
 */
export async function runCommand(run: Run): Promise<readonly string[]> {
  const { line, cwd, environment, limitMs, signal, print } = run;
  const child = spawn("/bin/sh", ["-c", line], {
    cwd,
    env: environment,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let tail = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      tail = (tail + text).slice(-TAIL_CHARACTERS);
      print(text);
    });
  }
  let how = "";
  let late: NodeJS.Timeout | undefined;
  const kill = (name: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch (error) {
      // The whole group has ended.
      if (systemCode(error) !== "ESRCH") throw error;
    }
  };
  const cancel = (): void => {
    how = "was cancelled";
    kill("SIGTERM");
    late = setTimeout(kill, GRACE_MS, "SIGKILL");
  };
  const limit = setTimeout(() => {
    how = `did not end within ${formatDuration(limitMs)}`;
    kill("SIGKILL");
  }, limitMs);
  if (signal.aborted) cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      // A process of another session may keep the pipes open: the end of the command counts.
      child.once("exit", () => {
        // Processes that it left behind do not outlive it.
        kill("SIGKILL");
        setTimeout(resolve, OUTPUT_MS);
      });
      child.once("close", () => resolve());
    });
  } finally {
    clearTimeout(limit);
    clearTimeout(late);
    signal.removeEventListener("abort", cancel);
    child.stdout.destroy();
    child.stderr.destroy();
  }
  const { exitCode, signalCode } = child;
  if (exitCode === 0 && how === "") return lastLines(tail);
  if (how === "")
    how = signalCode === null ? `ended with exit code ${exitCode}` : `was ended by ${signalCode}`;
  throw newelError("NEWEL_E_DEPLOY_COMMAND", { line, how });
}

function lastLines(text: string): string[] {
  return text
    .split("\n")
    .filter((each) => each !== "")
    .slice(-SHOWN_LINES);
}

const SHOWN_LINES = 20;
const TAIL_CHARACTERS = 64_000;
/** The time for the rest of the output after the command has ended, in milliseconds. */
const OUTPUT_MS = 1_000;
