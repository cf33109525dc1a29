import { inspect } from "node:util";

import { toRunError } from "../failure.ts";
import { currentRun } from "./current.ts";
import { lastLines } from "./last-lines.ts";
import type { Ask } from "./protocol.ts";

/** The attempts that this process executes, by their runs. */
const attempts = new Map<string, Ask>();
/** The longest wait for the server to record the error, in milliseconds. */
const NOTE_MS = 1_000;
/** The longest stack that is sent, in characters. */
const STACK_LIMIT = 8_000;

/** @returns ends the note */
export function noteAttempt(run: string, ask: Ask): () => void {
  attempts.set(run, ask);
  return () => void attempts.delete(run);
}

/**
 * An uncaught error outside the promise of a handler ends the process, as in any Node.js program: from a timer, an
 * event,
 * or a promise without an await. Before that, the error is sent to the server for the run's record.
 */
export function reportCrashes(): void {
  process.once("uncaughtException", crash);
}

function crash(thrown: unknown): void {
  const stack = thrown instanceof Error ? thrown.stack : undefined;
  process.stderr.write(`${stack ?? `Uncaught ${inspect(thrown)}`}\n`);
  setTimeout(end, NOTE_MS);
  void report(thrown, stack?.slice(0, STACK_LIMIT));
}

async function report(thrown: unknown, stack: string | undefined): Promise<void> {
  const crash = { kind: "crash", error: toRunError(thrown) } as const;
  // In a process that runs several jobs, only the run that caused the error gets it, if that run is known.
  const blamed = currentRun().getStore()?.run;
  const noted = [...attempts].filter(([run]) => blamed === undefined || run === blamed);
  await Promise.allSettled(
    noted.map(([run, ask]) =>
      ask({ ...crash, stderr: lastLines(run), ...(stack === undefined ? {} : { stack }) }),
    ),
  );
  end();
}

function end(): never {
  process.exit(1);
}
