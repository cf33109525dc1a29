import type { Progress } from "../../supervisor/api.ts";
import { EXIT, type ExitCode, exitCodeOfCode } from "../exit-codes.ts";
import { printFailure } from "./errors.ts";
import { type Output, plain } from "./output.ts";

/** How a verb ended. */
export interface Outcome {
  readonly exitCode: ExitCode;
  readonly changed: boolean;
}

export interface FollowOptions {
  /** Stop waiting after this long, in milliseconds; the work continues. */
  readonly timeoutMs?: number | undefined;
  /** Which events are not printed. */
  readonly isSilent?: (event: Progress) => boolean;
}

/** Prints what happens while a verb is carried out, until it ends. */
export async function followProgress(
  progress: AsyncIterable<Progress>,
  output: Output,
  { timeoutMs, isSilent }: FollowOptions = {},
): Promise<Outcome> {
  const codes: ExitCode[] = [];
  const iterator = progress[Symbol.asyncIterator]();
  const limit = timeLimit(timeoutMs);
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), limit.late]);
      if (next === "late") return giveUp(output, timeoutMs ?? 0);
      if (next.done === true) return { exitCode: worst(codes, false), changed: true };
      const event = next.value;
      const silent = isSilent?.(event) === true;
      if (output.json && !silent) output.printObject(event);
      if (event.type === "end") return { exitCode: worst(codes, event.ok), changed: event.changed };
      if (event.type === "failed") codes.push(exitCodeOfFailure(event.code));
      if (!silent) printProgress(output, event);
    }
  } finally {
    limit.clear();
    await iterator.return?.();
  }
}

/** Prints one event of a verb for the operator. */
function printProgress(output: Output, event: Exclude<Progress, { type: "end" }>): void {
  switch (event.type) {
    case "step":
      output.say(output.styleMessage("dim", `  ${plain(event.text)}`));
      break;
    case "note":
      output.say(`  ${plain(event.text)}`);
      break;
    case "killed":
      output.say(`  ${event.process}: killed the processes that outlived the stop:`);
      for (const { pid, command } of event.killed) output.say(`    ${pid} ${plain(command)}`);
      break;
    case "failed":
      if (event.lines.length > 0) {
        output.say(`The last lines of ${event.process ?? event.service}:`);
        for (const line of event.lines) output.say(`  ${output.styleMessage("dim", "|")} ${line}`);
      }
      printFailure(output, event);
      break;
  }
}

/** An error in a name or word of the command line keeps its exit code; any other failure is `failed`. */
function exitCodeOfFailure(code: string): ExitCode {
  const own = exitCodeOfCode(code);
  return own === EXIT.noSuchName || own === EXIT.usage ? own : EXIT.failed;
}

function worst(codes: readonly ExitCode[], ok: boolean): ExitCode {
  const [first] = codes;
  if (first === undefined) return ok ? EXIT.done : EXIT.failed;
  return codes.every((code) => code === first) ? first : EXIT.failed;
}

function giveUp(output: Output, timeoutMs: number): Outcome {
  output.say(`Not done after ${timeoutMs} ms. The work continues; \`newel ps\` shows its state.`);
  return { exitCode: EXIT.timeout, changed: true };
}

function timeLimit(timeoutMs: number | undefined): { late: Promise<"late">; clear: () => void } {
  const { promise, resolve } = Promise.withResolvers<"late">();
  const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs, "late");
  return { late: promise, clear: () => clearTimeout(timer) };
}
