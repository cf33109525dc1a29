import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, extname, join, relative, resolve } from "node:path";

import { newelError } from "../../base/errors.ts";
import { evaluate } from "../config/evaluate.ts";
import { locateInJson, locateInScript, sourceOfScript } from "../config/locate.ts";
import { configError, shortened } from "../config/problems.ts";
import { hideValues } from "../config/secrets.ts";
import { translateCompose } from "./compose.ts";
import { escapeSettings, type Tool, type Translation } from "./draft.ts";
import { literalOf } from "./literal.ts";
import { translatePackage } from "./package-scripts.ts";
import type { Parsed } from "./parsed.ts";
import { translatePm2 } from "./pm2.ts";
import { translateProcessCompose } from "./process-compose.ts";
import { translateProcfile } from "./procfile.ts";
import { translateSupervisord } from "./supervisord.ts";
import { unitFiles } from "./systemd-units.ts";
import { translateSystemd } from "./systemd.ts";
import { readYaml } from "./yaml.ts";

/** The files of each tool by name, in the order in which `newel init` looks for them. */
const NAMES: readonly (readonly [Tool, RegExp])[] = [
  ["pm2", /^(?:(?:ecosystem|pm2)(?:\.config)?\.(?:[cm]?js|json5?|ya?ml)|process(?:es)?\.json)$/],
  ["process-compose", /^process-compose(?:\.[\w-]+)?\.ya?ml$/],
  ["Procfile", /^Procfile(?:\.[\w-]+)?$/],
  ["supervisord", /^supervisord?\.(?:conf|ini)$/],
  ["compose", /^(?:docker-)?compose(?:\.[\w-]+)?\.ya?ml$/],
  ["systemd", /\.service$/],
  ["package.json", /^package\.json$/],
];

/**
 * The file of another tool in a directory that `newel init` reads when none is named.
 *
 * @returns `undefined` when there is none
 */
export function detect(directory: string): string | undefined {
  const names = readdirSync(directory).filter(
    (name) => statSync(join(directory, name), { throwIfNoEntry: false })?.isFile() === true,
  );
  for (const [, pattern] of NAMES) {
    // `compose.yaml` before `compose.override.yaml`.
    const [found] = names
      .filter((name) => pattern.test(name))
      .toSorted((a, b) => a.length - b.length || (a < b ? -1 : 1));
    if (found !== undefined) return join(directory, found);
  }
  return undefined;
}

export interface ReadOptions {
  /** The caller's directory, for messages. */
  readonly cwd: string;
  readonly environment: NodeJS.ProcessEnv;
  /**
   * The directory of the configuration. `beside`: that of the file. `project`: the caller's for a file of the system
   * (supervisord, systemd), and for one of pm2 or process-compose that lies below it, whose paths count from there.
   */
  readonly place: "beside" | "project";
  /** The directory that paths of pm2 count from. Default: that of the configuration. */
  readonly base?: string | undefined;
}

/** A translation, and the directory that its paths count from. */
export interface Placed {
  readonly translation: Translation;
  readonly directory: string;
}

/**
 * Reads files of another tool and translates them.
 *
 * @param paths - absolute; several only for units of systemd, which may be a directory
 * @throws NEWEL_E_CONFIG when a file cannot be read, NEWEL_E_CONFIG_MISSING when there is none
 */
export async function translate(paths: readonly string[], options: ReadOptions): Promise<Placed> {
  const [first = ""] = paths;
  for (const path of paths)
    if (!existsSync(path))
      throw newelError("NEWEL_E_CONFIG_MISSING", { looked: `${path} does not exist` });
  const isDirectory = statSync(first).isDirectory();
  if (isDirectory && unitFiles(first).length === 0) {
    const found = detect(first);
    if (found !== undefined) return translate([found], options);
  }
  const tool = isDirectory ? "systemd" : toolOf(first);
  if (paths.length > 1 && tool !== "systemd")
    throw newelError("NEWEL_E_USAGE", {
      what: "--from takes several files of systemd, and one of any other tool.",
    });
  const files = tool === "systemd" ? paths.flatMap((path) => unitFiles(path)) : [first];
  const [file = first] = files;
  const directory = directoryOf(tool, file, options);
  const parsed = parsedOf(file, directory, options);
  const found = await translateAs(tool, parsed, files, options);
  const services = found.services.map((draft) => ({
    ...draft,
    settings: escapeSettings(draft.settings),
  }));
  return { translation: { ...found, app: escapeSettings(found.app), services }, directory };
}

function directoryOf(tool: Tool, file: string, { cwd, place }: ReadOptions): string {
  const own = dirname(resolve(file));
  if (place === "beside") return own;
  if (tool === "supervisord" || tool === "systemd") return resolve(cwd);
  const isBelow = !relative(resolve(cwd), own).startsWith("..");
  return isBelow && (tool === "pm2" || tool === "process-compose") ? resolve(cwd) : own;
}

async function translateAs(
  tool: Tool,
  parsed: Parsed,
  files: readonly string[],
  { cwd }: ReadOptions,
): Promise<Translation> {
  switch (tool) {
    case "systemd":
      return translateSystemd(parsed, files);
    case "pm2":
      return translatePm2(await readPm2(parsed, cwd));
    case "Procfile":
      return translateProcfile(parsed);
    case "supervisord":
      return translateSupervisord(parsed);
    case "compose":
      return translateCompose(asYaml(parsed, cwd));
    case "process-compose":
      return translateProcessCompose(asYaml(parsed, cwd));
    case "package.json":
      return translatePackage(asJson(parsed, cwd));
  }
}

/** The tool of a file, by its name, else by its content. */
function toolOf(file: string): Tool {
  const name = basename(file);
  const known = NAMES.find(([, pattern]) => pattern.test(name))?.[0];
  if (known !== undefined) return known;
  const text = readFileSync(file, "utf8");
  if (/\.(?:conf|ini|cfg)$/.test(name))
    return /^\s*\[(?:fcgi-)?program:/m.test(text) ? "supervisord" : "systemd";
  if (/\.ya?ml$/.test(name)) {
    if (/^processes:/m.test(text)) return "process-compose";
    return /^apps:/m.test(text) ? "pm2" : "compose";
  }
  if (name.endsWith(".socket")) return "systemd";
  if (/\.(?:[cm]?js|json5?)$/.test(name)) return "pm2";
  if (/^\s*[\w-]+:\s*\S/m.test(text) && !/^\s*\[/m.test(text)) return "Procfile";
  throw newelError("NEWEL_E_USAGE", {
    what: `${file} is no file that newel knows: it reads those of pm2, compose, process-compose, supervisord and systemd, a Procfile, and package.json.`,
  });
}

function parsedOf(
  file: string,
  directory: string,
  { environment, base = directory }: ReadOptions,
): Parsed {
  const text = readFileSync(file, "utf8").replace(/^\uFEFF/, "");
  return { value: undefined, file, directory, base, environment, text, lineOf: () => undefined };
}

function asYaml(parsed: Parsed, cwd: string): Parsed {
  return { ...parsed, ...readYaml(parsed.text, parsed.file, cwd) };
}

function asJson(parsed: Parsed, cwd: string): Parsed {
  const { file, text } = parsed;
  const { value, line } = literalOf(text);
  if (line !== undefined)
    throw configError([{ file, line, path: "", message: "The file is not valid JSON." }], cwd);
  const locate = locateInJson(text);
  return { ...parsed, value, lineOf: (keys) => locate(keys)?.line };
}

async function readPm2(parsed: Parsed, cwd: string): Promise<Parsed> {
  const { file, directory, environment } = parsed;
  const extension = extname(file);
  if (/^\.ya?ml$/.test(extension)) return asYaml(parsed, cwd);
  if (/^\.json5?$/.test(extension)) return asJson(parsed, cwd);
  const report = await evaluate({
    file,
    cwd: directory,
    environment: { ...environment, PWD: directory },
  });
  if (report.type === "failure") {
    const { file: at = file, line } = report;
    const message = shortened(hideValues(report.message, environment));
    throw configError(
      [{ file: at, path: "", message, ...(line === undefined ? {} : { line }) }],
      cwd,
    );
  }
  const { script } = report;
  if (script === undefined) return { ...parsed, value: report.value };
  const locate = locateInScript(script);
  return {
    ...parsed,
    value: report.value,
    script: sourceOfScript(script),
    lineOf: (keys) => locate(keys)?.line,
  };
}
