import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { Queue, type QueueOptions } from "bullmq";

import { createSqliteBackend, type SqliteConnection } from "../../../src/jobs/sqlite/index.ts";
import { cleanUp, type Scope, startProcess } from "../../helpers/resources.ts";

/** A program of fixtures/ that runs, and the lines it printed so far. */
export interface Program {
  readonly child: ChildProcess;
  readonly lines: string[];
}

/** Starts a program of fixtures/. */
export function startProgram(scope: Scope, name: string, ...args: string[]): Program {
  const path = fileURLToPath(new URL(`fixtures/${name}.ts`, import.meta.url));
  const child = startProcess(scope, process.execPath, [path, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return linesOf(child);
}

/** Collects the lines of a program. */
export function linesOf(child: ChildProcess): Program {
  const lines: string[] = [];
  if (child.stdout !== null) createInterface(child.stdout).on("line", (line) => lines.push(line));
  return { child, lines };
}

/** A queue on a file, closed after the test. */
export function openQueue(
  scope: Scope,
  connection: SqliteConnection,
  name = "q",
  options: Partial<QueueOptions> = {},
): Queue {
  const queue = new Queue(name, { ...options, connection } as never, createSqliteBackend as never);
  queue.on("error", () => undefined);
  cleanUp(scope, () => queue.close());
  return queue;
}

/** The words after a word, of the lines that begin with it. */
export function said(program: Program, word: string): string[][] {
  return program.lines
    .map((line) => line.split(" "))
    .filter(([first]) => first === word)
    .map(([, ...rest]) => rest);
}
