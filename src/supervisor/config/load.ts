import { dirname, resolve } from "node:path";

import { evaluate } from "./evaluate.ts";
import { findConfig, isForeign } from "./find.ts";
import { readIncludes } from "./include.ts";
import { interpolate } from "./interpolate.ts";
import type { Locate } from "./locate.ts";
import {
  configError,
  type Finding,
  isWithin,
  pathText,
  type Problem,
  shortened,
} from "./problems.ts";
import type { Report } from "./report.ts";
import type { ResolvedDeploy } from "./deploy-types.ts";
import type { ResolvedConfig } from "./resolved.ts";
import { hideValues } from "./secrets.ts";
import { cronCheckFor } from "./schedule.ts";
import { validate, validateDeploy } from "./validate.ts";

export interface LoadOptions {
  /** The configuration file. Default: the nearest `newel.config.*`, from `cwd` upwards. */
  readonly file?: string;
  /** The caller's directory: the search for the file begins here, and messages name files relative to it. */
  readonly cwd: string;
  /** The caller's environment. */
  readonly environment: NodeJS.ProcessEnv;
  /** The profiles that are active. Default: those of NEWEL_PROFILES, by commas. */
  readonly profiles?: readonly string[] | undefined;
  /** How long the evaluation may take, in milliseconds. Default 10,000. */
  readonly limitMs?: number;
  /** Called with a sentence when the file is one of pm2 or a Procfile, which is translated. */
  readonly onForeign?: (sentence: string) => void;
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
  if (isForeign(file)) return loadForeign(file, options);
  // The file means the same from every directory of the caller.
  const directory = dirname(file);
  const caller = { ...environment, PWD: directory };
  const report = await evaluate({ file, cwd: directory, environment: caller, ...limit });
  if (report.type === "failure") throw unreadable(report, file, options);
  const all = await readIncludes(
    { file, report },
    (each) => evaluate({ file: each, cwd: dirname(each), environment: caller, ...limit }),
    (path) => String(interpolate(path, ["include"], (name) => environment[name]).value),
  );
  if (all.failure !== undefined) throw unreadable(all.failure, all.failure.file ?? file, options);
  const result = validate(
    all.value,
    file,
    environment,
    options.profiles,
    await cronCheckFor(all.value),
  );
  const odd = report.findings;
  if ("config" in result && odd.length === 0 && all.findings.length === 0) return result.config;
  // A value that could not be copied is missing afterwards: that is not reported again.
  const others = "config" in result ? [] : result.findings.filter((each) => !isWithin(each, odd));
  const hidden = "config" in result ? environment : { ...environment, ...result.variables };
  const problems: Problem[] = [];
  for (const part of all.parts) {
    const isMain = part.file === file;
    const own = [
      ...(isMain ? odd : []),
      ...all.findings.filter((finding) => finding.part === part),
      ...others.filter(
        ({ keys }) => (all.owners.get(`${keys[0]}.${keys[1]}`)?.file ?? file) === part.file,
      ),
    ];
    const locate = await locator(part.file, part.report.script);
    problems.push(...toProblems(own, { file: part.file, locate, environment: hidden }));
  }
  throw configError(problems, cwd);
}

/**
 * Finds and evaluates the configuration, and checks only its `deploy`, which included files cannot have.
 *
 * @throws NEWEL_E_CONFIG_MISSING when there is no file
 * @throws NEWEL_E_CONFIG with one line for each problem, in the order of the file
 */
export async function loadDeploySettings(
  options: LoadOptions,
): Promise<{ readonly file: string; readonly deploy: ResolvedDeploy }> {
  const { cwd, environment } = options;
  const file = findConfig(resolve(cwd), options.file);
  const directory = dirname(file);
  const caller = { ...environment, PWD: directory };
  const report = await evaluate({ file, cwd: directory, environment: caller });
  if (report.type === "failure") throw unreadable(report, file, options);
  const { value: deploy, findings } = validateDeploy(report.value, file, environment);
  if (deploy !== undefined && findings.length === 0) return { file, deploy };
  const locate = await locator(file, report.script);
  throw configError(toProblems(findings, { file, locate, environment }), cwd);
}

/** A file that could not be evaluated. */
function unreadable(
  failure: Extract<Report, { readonly type: "failure" }>,
  file: string,
  { cwd, environment }: LoadOptions,
): Error {
  const { file: at = file, line } = failure;
  const message = shortened(hideValues(failure.message, environment));
  const problem = { file: at, path: "", message, ...(line === undefined ? {} : { line }) };
  return configError([problem], cwd);
}

/** Loads a file of pm2 or a Procfile. Its problems stand at the lines of the apps that they concern. */
async function loadForeign(file: string, options: LoadOptions): Promise<ResolvedConfig> {
  const { cwd, environment, onForeign } = options;
  const { loadTranslated } = await import("../translate/load.ts");
  const base = options.file === undefined ? undefined : cwd;
  const translated = await loadTranslated(file, { cwd, environment, base });
  onForeign?.(translated.sentence);
  const result = validate(
    translated.value,
    file,
    environment,
    options.profiles,
    await cronCheckFor(translated.value),
  );
  if ("config" in result) return result.config;
  const locate: Locate = (keys) => {
    const line = translated.lineOf(keys);
    return line === undefined ? undefined : { line, offset: line, found: 2 };
  };
  const hidden = { ...environment, ...result.variables };
  throw configError(toProblems(result.findings, { file, locate, environment: hidden }), cwd);
}

/** acorn is loaded only when a place has to be found. */
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
