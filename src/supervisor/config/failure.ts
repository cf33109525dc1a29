import { readFileSync } from "node:fs";
import { basename, extname } from "node:path";
import { fileURLToPath } from "node:url";

import { escaped, quoted } from "./problems.ts";
import { hideValues } from "./secrets.ts";

/** Facts about the files of a configuration. */
export interface Loading {
  /** The configuration. */
  readonly file: string;
  /** In the order of loading. */
  readonly loaded: string[];
  /** The first import that could not be found. */
  missing?: { readonly specifier: string; readonly from: string | undefined };
}

interface Failure {
  readonly file?: string;
  readonly line?: number;
  readonly message: string;
}

/** Of the message of an error; some libraries put whole documents into theirs. */
const THROWN_CHARACTERS = 500;

interface Place {
  readonly file: string;
  readonly line: number;
}

/** Explains a failed evaluation: the reason, the place and the correction. */
export async function toFailure(error: unknown, loading: Loading): Promise<Failure> {
  if (!(error instanceof Error)) return { file: loading.file, message: thrown(String(error)) };
  if (isMissing(error) && loading.missing !== undefined)
    return missingImport(loading.missing, loading);
  if (error instanceof SyntaxError && !wasThrownByCode(error)) return syntaxFailure(error, loading);
  return {
    ...(frameOf(error, loading) ?? { file: loading.file }),
    message: thrown(messageText(error)),
  };
}

function isMissing(error: Error): boolean {
  const code: unknown = "code" in error ? error.code : undefined;
  return (
    code === "ERR_MODULE_NOT_FOUND" ||
    code === "MODULE_NOT_FOUND" ||
    code === "ERR_PACKAGE_PATH_NOT_EXPORTED" ||
    code === "ERR_UNSUPPORTED_DIR_IMPORT"
  );
}

function missingImport(
  { specifier, from = "" }: NonNullable<Loading["missing"]>,
  loading: Loading,
): Failure {
  const file = from === "" ? loading.file : from;
  const lines = readLines(file);
  const index = lines.findIndex((line) =>
    ['"', "'", "`"].some((quote) => line.includes(quote + specifier + quote)),
  );
  const advice = /^[./]/.test(specifier)
    ? "Check the path; it is relative to this file and needs its extension (.ts, .js)."
    : `Install it (npm install ${specifier
        .split("/")
        .slice(0, specifier.startsWith("@") ? 2 : 1)
        .join("/")}), or correct the name.`;
  const message = `The import ${quoted(specifier)} cannot be found. ${advice}`;
  return index === -1 ? { file, message } : { file, line: index + 1, message };
}

/** JSON.parse and new RegExp throw SyntaxErrors too: those have a frame of the configuration's code. */
function wasThrownByCode(error: Error): boolean {
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  const own = frames.findIndex((line) => /\((?:file:|\/)|at (?:async )?(?:file:|\/)/.test(line));
  const loader = frames.findIndex((line) => line.includes("node:internal/modules/"));
  return own !== -1 && (loader === -1 || own < loader);
}

async function syntaxFailure(error: SyntaxError, loading: Loading): Promise<Failure> {
  const place = decoratedPlace(error) ?? (await parsedPlace(loading)) ?? { file: loading.file };
  return { ...place, message: syntaxMessage(error, place.file) };
}

/** Node.js writes `FILE:LINE` above most syntax errors. */
function decoratedPlace(error: Error): Place | undefined {
  const match = /^(.+):(\d+)$/.exec((error.stack ?? "").split("\n")[0] ?? "");
  if (match === null || !/^(?:file:|\/)/.test(match[1] ?? "")) return undefined;
  return { file: toPath(match[1] ?? ""), line: Number(match[2]) };
}

/** But not above those of ES modules in plain JavaScript: the first file that does not parse is it. */
async function parsedPlace({ loaded }: Loading): Promise<Place | undefined> {
  const { parse } = await import("acorn");
  for (const file of loaded.toReversed()) {
    if (![".js", ".mjs"].includes(extname(file))) continue;
    try {
      parse(readFileSync(file, "utf8"), { ecmaVersion: "latest", sourceType: "module" });
    } catch (error) {
      const line = lineOfParseError(error);
      if (line === undefined) throw error;
      return { file, line };
    }
  }
  return undefined;
}

/** The line in an error of acorn. */
export function lineOfParseError(error: unknown): number | undefined {
  if (!(error instanceof SyntaxError) || !("loc" in error)) return undefined;
  const { loc } = error;
  return typeof loc === "object" && loc !== null && "line" in loc && typeof loc.line === "number"
    ? loc.line
    : undefined;
}

function syntaxMessage(error: SyntaxError, file: string): string {
  const { message } = error;
  const construct = /^TypeScript (.+?) (?:is|are) not supported in strip-only mode/.exec(message);
  if (construct !== null) return typescriptMessage(construct[1] ?? "");
  const name = /^The requested module '(.+)' does not provide an export named '(.+)'$/.exec(
    message,
  );
  if (name !== null)
    return `${quoted(name[1] ?? "")} exports no ${quoted(name[2] ?? "")}. Check the name; a type needs import type.`;
  if (/^(?:Unexpected token 'export'|Cannot use import statement outside a module)/.test(message))
    return `The file is read as CommonJS, because package.json says "type": "commonjs". Rename it to ${basename(file).replace(/\.([jt]s)$/, ".m$1")}.`;
  // The words of a broken text may be those of a password: V8 quotes them, so they are cut off.
  const reason = (message.split(". Expected ")[0] ?? "")
    .replace(/^(Unexpected (?:identifier|string|number|template string)).*$/s, "$1")
    .replace(/'[\w$]{3,}'/g, "a word");
  return `The file cannot be parsed: ${lowerFirst(reason)}.`;
}

function typescriptMessage(construct: string): string {
  const advice = new Map([
    ["enum", "an object: const Level = { low: 1 } as const"],
    ["parameter property", "a field and an assignment"],
    ["namespace declaration", "plain exports"],
    ["module", "plain exports"],
    ["import equals declaration", "import … from"],
    ["export assignment", "export default"],
  ]).get(construct);
  const instead = advice === undefined ? "plain JavaScript with types" : advice;
  return `TypeScript's ${construct} does not work here: Node.js only removes types. Write ${instead}.`;
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

function thrown(what: string): string {
  // First hidden, then cut: a secret may have several lines.
  const [line = ""] = hideValues(what, process.env).split("\n");
  const said = line === "" ? "an error without a message" : escaped(line).replaceAll('\\"', '"');
  return `The file throws when it is read: ${said.slice(0, THROWN_CHARACTERS).replace(/\.$/, "")}.`;
}

function messageText(error: Error): string {
  // JSON.parse quotes the text it could not read, which may be a file of secrets.
  const message = error.message.replace(/[^,]*".*is not valid JSON/s, "a text is not valid JSON");
  return error.name === "Error" ? message : `${error.name}: ${message}`;
}

/** The place in the configuration's own code where an error was made, else in the code it called. */
function frameOf(error: Error, { file }: Loading): Place | undefined {
  const places = [
    ...(error.stack ?? "").matchAll(/(?:\(|at |async )((?:file:\/\/)?\/[^\n()]+):(\d+):\d+/g),
  ]
    .map((match) => ({ file: toPath(match[1] ?? ""), line: Number(match[2]) }))
    .filter((place) => !place.file.includes("/node_modules/"));
  return places.find((place) => place.file === file) ?? places[0];
}

function toPath(place: string): string {
  return place.startsWith("file:") ? fileURLToPath(place) : place;
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch {
    return []; // Without the file there is no line to add: the message stays as it is.
  }
}
