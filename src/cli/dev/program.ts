import { readFileSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";

import { newelError, systemCode } from "../../base/errors.ts";
import { parseEnvFile } from "../../supervisor/config/env-file.ts";

/** The program of `newel dev` where no configuration declares services. */
export interface DevProgram {
  /** The name of its service. */
  readonly name: string;
  /** A line for /bin/sh, or the words of a command. */
  readonly run: string | readonly [string, ...string[]];
  readonly cwd: string;
  /** Variables that its caller would have set. */
  readonly env: Readonly<Record<string, string>>;
  /** The script of package.json that it is. */
  readonly script?: string;
}

/** The scripts of package.json that are tried, in this order. */
const SCRIPTS = ["dev", "start"] as const;

/** Programs that run another file: that file gives the name. */
const RUNNERS = /^(?:node|nodejs|npx|tsx|ts-node|bun|deno|python[\d.]*|ruby|php|sh|bash|env)$/;

/** How much of a source is searched for a port, in bytes. */
const SOURCE_BYTES = 65_536;

const DEFAULT_PORT = 3000;

/** The program of `newel dev -- node server.js`. */
export function commandProgram(words: readonly [string, ...string[]], cwd: string): DevProgram {
  return { name: serviceName(nameOf(words)), run: words, cwd, env: {} };
}

/**
 * The script `dev`, else `start`, of the nearest package.json: its line is run without npm, which takes a third of
 * a second for each restart, with the `pre` script before it and the same PATH.
 *
 * @returns `undefined` where no package.json has one of them
 * @throws NEWEL_E_USAGE when package.json is no JSON
 */
export function scriptProgram(cwd: string): DevProgram | undefined {
  for (let directory = resolve(cwd); ; directory = dirname(directory)) {
    const scripts = readScripts(join(directory, "package.json"));
    const script = SCRIPTS.find((name) => typeof scripts?.[name] === "string");
    if (script !== undefined && scripts !== undefined) {
      const before = scripts[`pre${script}`];
      const line = String(scripts[script]);
      const run = typeof before === "string" ? `${before} && ${line}` : line;
      const env = { npm_lifecycle_event: script, INIT_CWD: cwd };
      return { name: serviceName(script), run, cwd: directory, env, script };
    }
    if (scripts !== undefined || directory === dirname(directory)) return undefined;
  }
}

function readScripts(file: string): Readonly<Record<string, unknown>> | undefined {
  const text = readText(file);
  if (text === undefined) return undefined;
  try {
    const { scripts }: { scripts?: unknown } = Object(JSON.parse(text));
    return Object(scripts) as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw newelError("NEWEL_E_USAGE", { what: `${file} is not valid JSON.` });
  }
}

/** The word of a command that says most about it. */
function nameOf([program, ...args]: readonly [string, ...string[]]): string {
  const plain = basename(program);
  if (!RUNNERS.test(plain)) return plain;
  const file = args.find((word) => !word.startsWith("-") && !/^\w+=/.test(word));
  return file === undefined ? plain : basename(file, extname(file));
}

/** A name that a service may have: `my.server` is `my-server`. */
export function serviceName(text: string): string {
  const plain = text.replaceAll(/[^A-Za-z0-9_-]+/g, "-").replaceAll(/^[^A-Za-z]+|-+$/g, "");
  return plain === "" ? "app" : plain.slice(0, 100);
}

/**
 * The port on which a program most likely listens: of its command line, of PORT, of its source; else 3000. A wrong
 * guess costs one more start.
 */
export function guessPort({ run, cwd }: DevProgram, environment: NodeJS.ProcessEnv): number {
  const line = typeof run === "string" ? run : run.join(" ");
  const { PORT: port = parseEnvFile(readText(join(cwd, ".env")) ?? "").variables["PORT"] } =
    environment;
  const texts = line
    .split(/[\s;&|"']+/)
    .filter((word) => /\.[cm]?[jt]sx?$/.test(word))
    .map((word) => readText(resolve(cwd, word)) ?? "");
  const found = [
    /\bPORT=(\d{1,5})\b/.exec(line)?.[1],
    /(?:^|\s)(?:-p|--port)[ =](\d{1,5})\b/.exec(line)?.[1],
    port,
    ...texts.map((text) => portIn(text.slice(0, SOURCE_BYTES))),
  ];
  return found.map(Number).find(isPort) ?? DEFAULT_PORT;
}

function portIn(source: string): string | undefined {
  const patterns = [
    /\.listen\(\s*(?:\{\s*port:\s*)?(\d{2,5})\b/,
    /\bPORT\b["'\]]*\)?\s*(?:\|\||\?\?)\s*["']?(\d{2,5})\b/,
    /\bport\s*[:=]\s*["']?(\d{2,5})\b/i,
  ];
  return patterns.map((pattern) => pattern.exec(source)?.[1]).find((port) => port !== undefined);
}

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536;

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    // A file that does not exist or cannot be read names no port.
    return undefined;
  }
}
