import { once } from "node:events";
import { text } from "node:stream/consumers";

import { type Scope, startProcess } from "../helpers/resources.ts";

/** The outcome of a command line. */
export interface CommandResult {
  readonly exitCode: number | null;
  readonly ms: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** No command of the scenario takes nearly as long; one that hangs shall not hang everything. */
const LIMIT_MS = 120_000;

/** Runs a program of Node's to its end. */
export async function runProgram(
  scope: Scope,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<CommandResult> {
  const begin = performance.now();
  const child = startProcess(scope, process.execPath, args, { ...options, timeout: LIMIT_MS });
  const { stdout: out, stderr: err } = child;
  if (out === null || err === null) throw new Error("a command without pipes");
  const exited = once(child, "exit");
  const [stdout, stderr] = await Promise.all([text(out), text(err)]);
  await exited;
  return { exitCode: child.exitCode, ms: performance.now() - begin, stdout, stderr };
}
