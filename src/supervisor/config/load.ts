import { dirname, resolve } from "node:path";

import { evaluate } from "./evaluate.ts";
import { findConfig } from "./find.ts";
import type { Locate } from "./locate.ts";
import { configError, type Finding, pathText, type Problem, shortened } from "./problems.ts";
import type { ResolvedConfig } from "./resolved.ts";
import { hideValues } from "./secrets.ts";
import { validate } from "./validate.ts";

export interface LoadOptions {
  /** The configuration file. Default: the nearest `newel.config.*`, from `cwd` upwards. */
  readonly file?: string;
  /** Where the caller stands: the search for the file begins here, and messages name files relative to it. */
  readonly cwd: string;
  /** The caller's environment. */
  readonly environment: NodeJS.ProcessEnv;
  /** How long the evaluation may take, in milliseconds. Default 10,000. */
  readonly limitMs?: number;
}

/**
 * Finds, evaluates, checks and fills in the configuration. Nothing is started.
 *
 * @throws NEWEL_E_CONFIG_MISSING when there is no file
 * @throws NEWEL_E_CONFIG with one line for each problem, in the order of the file
 */
export async function loadConfig(options: LoadOptions): Promise<ResolvedConfig> {
  const { cwd, environment } = options;
  const file = findConfig(resolve(cwd), options.file);
  const limit = options.limitMs === undefined ? {} : { limitMs: options.limitMs };
  // From wherever the caller stands, the file means the same.
  const directory = dirname(file);
  const caller = { ...environment, PWD: directory };
  const report = await evaluate({ file, cwd: directory, environment: caller, ...limit });
  if (report.type === "failure") {
    const { file: at = file, line } = report;
    const message = shortened(hideValues(report.message, environment));
    const problem = { file: at, path: "", message, ...(line === undefined ? {} : { line }) };
    throw configError([problem], cwd);
  }
  const result = validate(report.value, file, environment);
  const odd = report.findings;
  if ("config" in result && odd.length === 0) return result.config;
  const others = "config" in result ? [] : result.findings.filter((each) => !isWithin(each, odd));
  const locate = await locator(file, report.script);
  throw configError(toProblems([...odd, ...others], { file, locate, environment }), cwd);
}

/** What could not be carried over is missing afterwards: that is not told again. */
function isWithin({ keys }: Finding, odd: readonly Finding[]): boolean {
  return odd.some((finding) => {
    const shorter = Math.min(keys.length, finding.keys.length);
    return finding.keys.slice(0, shorter).every((key, index) => key === keys[index]);
  });
}

/** acorn is only loaded when there is something to find. */
async function locator(file: string, script: string | undefined): Promise<Locate> {
  if (script === undefined) return () => undefined;
  const { locateInJson, locateInScript } = await import("./locate.ts");
  return file.endsWith(".json") ? locateInJson(script) : locateInScript(script);
}

interface Telling {
  readonly file: string;
  readonly locate: Locate;
  readonly environment: NodeJS.ProcessEnv;
}

function toProblems(findings: readonly Finding[], telling: Telling): Problem[] {
  const { file, locate, environment } = telling;
  return findings
    .map((finding, index) => ({ finding, index, place: locate(finding.keys) }))
    .sort((a, b) => (a.place?.offset ?? 0) - (b.place?.offset ?? 0) || a.index - b.index)
    .map(({ finding, place }) => {
      const { keys, label = keys, elsewhere } = finding;
      const says = shortened(hideValues(finding.says, environment));
      const path = pathText(label);
      const subject = keys.length === 0 && label === keys ? "The default export" : path;
      const message = subject === "" ? says : `${subject} ${says}`;
      const at = elsewhere ?? (place === undefined ? { file } : { file, line: place.line });
      return { ...at, path, message };
    });
}
