import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { Readable } from "node:stream";

import type { Comment } from "acorn";

import { messageOf } from "../../base/errors.ts";
import { openFairClock } from "../../base/fair-time.ts";
import { programPath } from "../../base/modules.ts";
import { environmentWithoutPreload } from "../../base/node-options.ts";
import { asOpenFiles } from "../../base/open-files.ts";
import { lineOfParseError } from "./failure.ts";
import { toPlain } from "./plain.ts";
import { parseReport } from "./read-report.ts";
import { type Report, REPORT_FD, REPORT_LIMIT_BYTES } from "./report.ts";

/**
 * The limit of an evaluation: a configuration that takes longer waits for an event that it should not. On a machine with
 * more runnable programs than processors the start of Node.js takes seconds, so the limit is a wait of base/fair-time.ts.
 */
const LIMIT_MS = 10_000;

interface EvaluateOptions {
  /** Absolute. */
  readonly file: string;
  readonly cwd: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Default 10,000. */
  readonly limitMs?: number;
}

/**
 * Evaluates a configuration file: a program in a child process, JSON in this one. Output of the
 * configuration goes to stderr.
 */
export async function evaluate(options: EvaluateOptions): Promise<Report> {
  return extname(options.file) === ".json" ? readJson(options.file) : evaluateProgram(options);
}

async function readJson(file: string): Promise<Report> {
  const source = readFileSync(file, "utf8").replace(/^\uFEFF/, "");
  try {
    return { type: "value", ...toPlain(JSON.parse(source)), script: source };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const advice = "JSON has names and texts in double quotes, no comments, no comma at the end";
    const message = `The file is not valid JSON: ${advice}.`;
    const line = lineOfJsonError(error.message) ?? (await lineOfScript(source));
    return { type: "failure", file, message, ...(line === undefined ? {} : { line }) };
  }
}

/** V8 names the line of most errors; the rest of its message quotes the text, which may be secret. */
function lineOfJsonError(message: string): number | undefined {
  const line = /\(line (\d+) column \d+\)$/.exec(message)?.[1];
  return line === undefined ? undefined : Number(line);
}

/** Where a text stops being JavaScript, or has its first comment. */
async function lineOfScript(source: string): Promise<number | undefined> {
  const { parseExpressionAt } = await import("acorn");
  const comments: Comment[] = [];
  try {
    parseExpressionAt(source, 0, { ecmaVersion: "latest", locations: true, onComment: comments });
    return comments[0]?.loc?.start.line;
  } catch (error) {
    return lineOfParseError(error);
  }
}

async function evaluateProgram(options: EvaluateOptions): Promise<Report> {
  const { file, cwd, environment, limitMs = LIMIT_MS } = options;
  const child = spawn(
    process.execPath,
    ["--no-warnings", programPath("supervisor/config/evaluator"), file],
    { cwd, env: environmentWithoutPreload(environment), stdio: ["ignore", 2, 2, "pipe"] },
  );
  const fail = (message: string): Report => ({ type: "failure", file, message });
  // The event "error" means that the child process could not be started; its pipe is already closed then.
  const exit = once(child, "exit").then(
    ([code]) => exitMessage(code),
    (error: unknown) => `The file could not be read: ${messageOf(error)}.`,
  );
  try {
    // Without descriptors for its pipe, nothing is started.
    await once(child, "spawn");
  } catch (error) {
    const lacking = asOpenFiles(error);
    if (lacking !== undefined) throw lacking;
    return fail(`The file could not be read: ${messageOf(error)}.`);
  }
  const read = async (): Promise<Report> => {
    const line = await readLine(child.stdio[REPORT_FD]);
    const why = await exit;
    if (line === undefined) return fail(why);
    return parseReport(line) ?? fail("The file wrote into descriptor 3, which newel itself uses.");
  };
  const clock = openFairClock();
  const { promise: late, resolve } = Promise.withResolvers<Report>();
  clock.after(limitMs, () => {
    const seconds = limitMs / 1000;
    resolve(
      fail(`The file was not read within ${seconds} s: it waits for something, or never ends.`),
    );
  });
  try {
    return await Promise.race([read(), late]);
  } finally {
    clock.stop();
    child.kill("SIGKILL");
  }
}

/** The first line, or `undefined` when there is none. */
async function readLine(stream: ChildProcess["stdio"][number]): Promise<string | undefined> {
  if (!(stream instanceof Readable)) return undefined;
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of stream) {
    if (!Buffer.isBuffer(chunk)) continue;
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (chunk.includes(0x0a) || sizeBytes > REPORT_LIMIT_BYTES) break;
  }
  const text = Buffer.concat(chunks).toString("utf8");
  return text.includes("\n") ? text.slice(0, text.indexOf("\n")) : undefined;
}

/** Node.js ends with 13 when a top-level await can never settle. */
function exitMessage(code: unknown): string {
  if (code === 13) return "The file waits for a promise that never settles (a top-level await).";
  const how = typeof code === "number" ? `with exit code ${code}` : "by a signal";
  return `The file ended its process ${how} before it exported anything: newel reads it as a module, so it must not call process.exit().`;
}
