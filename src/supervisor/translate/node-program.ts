import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, extname, resolve } from "node:path";

import { isRecord } from "../config/leaves.ts";
import { runsNode } from "../config/runs-node.ts";
import type { Setting, Settings } from "./draft.ts";
import { list, type Parsed } from "./parsed.ts";
import { splitShell } from "./shell-words.ts";

// Facts about a Node.js program that the files of other tools do not contain: the port it listens on, the variables it reads. They
// are read from its first file and from package.json; an uncertain fact is left out.

/** Options of Node.js whose value is the next word. */
const WITH_VALUE = new Set([
  "-r",
  "--require",
  "--import",
  "--loader",
  "--experimental-loader",
  "-C",
  "--conditions",
  "--title",
  "--env-file",
]);

/** Programs that serve on a port of their own choice when no other is named. */
const USUAL_PORTS: ReadonlyMap<string, number> = new Map([
  ["next start", 3000],
  ["nuxt start", 3000],
  ["remix-serve", 3000],
  ["react-router-serve", 3000],
  ["serve", 3000],
  ["vite preview", 4173],
  ["astro preview", 4321],
  ["strapi start", 1337],
  ["gatsby serve", 9000],
]);

/** The settings `node`, `nodeArgs`, `args` of a command, or `run` where it is no plain call of Node.js. */
export function commandSettings(command: string | readonly string[]): Settings {
  const { words, needsShell } = wordsOf(command);
  const plain = needsShell ? undefined : nodeCall(words);
  // `sh -c LINE`: newel starts a text in the same way.
  const [shell = "", option, line] = words;
  if (
    typeof command !== "string" &&
    words.length === 3 &&
    option === "-c" &&
    /^(?:\/bin\/)?sh$/.test(shell) &&
    line !== undefined
  )
    return { run: line };
  if (plain !== undefined) return plain;
  return { run: typeof command === "string" ? command.trim() : command };
}

function wordsOf(command: string | readonly string[]): ReturnType<typeof splitShell> {
  return typeof command === "string" ? splitShell(command) : { words: command, needsShell: false };
}

function nodeCall([program = "", ...rest]: readonly string[]): Settings | undefined {
  if (program !== "node" && program !== "nodejs" && program !== process.execPath) return undefined;
  let at = 0;
  while (at < rest.length && rest[at]?.startsWith("-") === true)
    at += WITH_VALUE.has(rest[at] ?? "") ? 2 : 1;
  const file = rest[at];
  const options = rest.slice(0, at);
  // `node -e CODE` and `node --run NAME` have no file.
  if (
    file === undefined ||
    options.some((each) => /^(?:-[epic]|--(?:eval|print|run|test|watch)\b)/.test(each))
  )
    return undefined;
  return { node: file, ...nodeOptions(options, rest.slice(at + 1)) };
}

export function nodeOptions(nodeArgs: readonly string[], args: readonly string[]): Settings {
  return {
    ...(args.length === 0 ? {} : { args }),
    ...(nodeArgs.length === 0 ? {} : { nodeArgs }),
  };
}

/** Tools of Node.js that need not be installed yet. */
function isNodeTool(words: readonly string[]): boolean {
  const rest = words.filter((word) => !/^\w+=/.test(word) && !isPrefix(word));
  const [program = "", second = ""] = rest.map((word) => basename(word));
  return (
    USUAL_PORTS.has(program) || USUAL_PORTS.has(`${program} ${second}`) || RUNNERS.has(program)
  );
}

const RUNNERS: ReadonlySet<string> = new Set([
  "tsx",
  "ts-node",
  "ts-node-dev",
  "nodemon",
  "babel-node",
]);

/** Facts about a program. */
export interface Program {
  /** Whether the preload reaches it, so that newel can hold its socket. */
  readonly isNode: boolean;
  /** The port on its command line. */
  readonly port?: number | undefined;
  /** The port on which its tool listens when no other is named. */
  readonly usualPort?: number | undefined;
  /** The first file of the program, if it is a Node.js program in one. */
  readonly source?: Source | undefined;
}

/** Facts about the text of a program. */
interface Source {
  readonly text: string;
  readonly port: number | undefined;
  /** Whether the port comes from the variable PORT. */
  readonly readsPort: boolean;
  /** Whether it, or a module of the project that it imports, may listen. */
  readonly mayListen: boolean;
  /** The variables of the environment that the file names. */
  readonly variables: readonly string[];
}

/**
 * The port whose socket newel should hold for a program: only a Node.js program can take it over as it is.
 *
 * @param given - the port that the other tool gives the program in PORT
 */
export function listenPort(program: Program, given: number | undefined): number | undefined {
  const { isNode, port, usualPort, source } = program;
  if (!isNode) return undefined;
  if (port !== undefined) return port;
  if (source === undefined) return given ?? usualPort;
  if (!source.mayListen) return undefined;
  if (source.readsPort) return given ?? source.port;
  return source.port ?? given ?? usualPort;
}

/** The port of a command, for files of tools without a setting for the port. */
export function usualListen(
  command: Settings,
  env: Setting,
  cwd: string,
  { environment }: Pick<Parsed, "environment">,
): number | undefined {
  const { run, node, nodeArgs, args } = command;
  const words =
    typeof run === "string"
      ? run
      : Array.isArray(run)
        ? list(run)
        : ["node", ...list(nodeArgs), ...list(node), ...list(args)];
  const given = typeof env === "object" && "PORT" in env ? env["PORT"] : undefined;
  return listenPort(readProgram(words, cwd, environment["PATH"]), portNumber(given));
}

/** Finds out what can be known about a command without executing it. */
export function readProgram(
  command: string | readonly string[],
  cwd: string,
  path: string | undefined,
): Program {
  const { words } = wordsOf(command);
  const isNode = runsNode(command, cwd, path) || isNodeTool(words);
  const found = isNode ? lookInto(words, cwd, 4) : {};
  return { isNode, ...found };
}

function lookInto(words: readonly string[], cwd: string, hops: number): Omit<Program, "isNode"> {
  const rest = words.filter(
    (word, index) => !(index < 4 && (/^\w+=/.test(word) || isPrefix(word))),
  );
  const [program = "", second = ""] = rest.map((word, index) =>
    index === 0 ? basename(word) : word,
  );
  const port = portOption(rest) ?? assignedPort(words);
  const usualPort = USUAL_PORTS.get(`${program} ${second}`) ?? USUAL_PORTS.get(program);
  const script = scriptOf(program, second, rest, cwd);
  if (script !== undefined && hops > 0) {
    const inner = lookInto(splitShell(script).words, cwd, hops - 1);
    return port === undefined ? inner : { ...inner, port };
  }
  const file = fileOf(rest, program);
  const source = file === undefined ? undefined : readSource(resolve(cwd, file));
  return { port, usualPort, source };
}

const isPrefix = (word: string): boolean =>
  ["exec", "env", "cross-env", "npx", "dotenv", "--"].includes(word);

/** The script of package.json that `npm start`, `npm run NAME`, `yarn NAME` and `pnpm NAME` mean. */
function scriptOf(
  program: string,
  second: string,
  words: readonly string[],
  cwd: string,
): string | undefined {
  if (!["npm", "yarn", "pnpm", "bun"].includes(program)) return undefined;
  const name = second === "run" || second === "run-script" ? words[2] : second;
  return readScripts(resolve(cwd, "package.json"))?.[name ?? ""];
}

/** The scripts of a package.json; `undefined` without one. */
function readScripts(file: string): Readonly<Record<string, string>> | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
    const scripts = isRecord(parsed) ? parsed["scripts"] : undefined;
    if (!isRecord(scripts)) return {};
    return Object.fromEntries(
      Object.entries(scripts).filter(
        (entry): entry is [string, string] => typeof entry[1] === "string",
      ),
    );
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function fileOf(words: readonly string[], program: string): string | undefined {
  if (program === "node" || program === "nodejs") {
    const settings = nodeCall(["node", ...words.slice(1)]);
    const file = settings?.["node"];
    return typeof file === "string" ? file : undefined;
  }
  if (RUNNERS.has(program) || program === "bun")
    return words.slice(1).find((word) => /\.[cm]?[jt]sx?$/.test(word));
  return words[0]?.includes("/") === true ? words[0] : undefined;
}

function portOption(words: readonly string[]): number | undefined {
  for (const [index, word] of words.entries()) {
    const inline = /^(?:--port|-p|-l|--listen)=(\d+)$/.exec(word)?.[1];
    const next = ["--port", "-p", "-l", "--listen"].includes(word) ? words[index + 1] : undefined;
    const port = portNumber(inline ?? next);
    if (port !== undefined) return port;
  }
  return undefined;
}

/** `PORT=3000 node server.js` */
function assignedPort(words: readonly string[]): number | undefined {
  return portNumber(
    words.map((word) => /^PORT=(\d+)$/.exec(word)?.[1]).find((each) => each !== undefined),
  );
}

/** A port that a program can listen on, of a number or its text. */
export function portNumber(value: unknown): number | undefined {
  const port = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  return typeof port === "number" && Number.isInteger(port) && port > 0 && port < 65_536
    ? port
    : undefined;
}

const MOST_BYTES = 1_000_000;

/** Reads a program's first file, if it is there and no binary. */
function readSource(file: string): Source | undefined {
  const found = [file, `${file}.js`, `${file}.ts`].find(
    (each) => statSync(each, { throwIfNoEntry: false })?.isFile() === true,
  );
  if (found === undefined || statSync(found).size > MOST_BYTES) return undefined;
  const text = readFileSync(found, "utf8");
  const isCode = /^\.[cm]?[jt]sx?$/.test(extname(found)) || /^#!.*node/.test(text);
  return isCode ? sourceOf(text) : undefined;
}

function sourceOf(text: string): Source {
  const given = [
    /process\.env(?:\.PORT\b|\[["']PORT["']\])[^;\n]{0,40}?(?:\|\||\?\?)\s*["'`]?(\d{2,5})/,
    /\bPORT\s*=\s*["'`]?(\d{2,5})["'`]?\s*[,}][^;]*=\s*process\.env/,
    /\.listen\(\s*\{?\s*(?:port:\s*)?(\d{2,5})\b/,
    /\b(?:const|let|var)\s+port\s*=\s*["'`]?(\d{2,5})/i,
  ].map((pattern) => portNumber(pattern.exec(text)?.[1]));
  const variables = [
    ...[...text.matchAll(/process\.env(?:\.([A-Za-z_]\w*)|\[["']([A-Za-z_]\w*)["']\])/g)].map(
      ([, dotted, quoted]) => dotted ?? quoted ?? "",
    ),
    ...[...text.matchAll(/\{([^{}]*)\}\s*=\s*process\.env\b/g)].flatMap(([, inner = ""]) =>
      inner.split(",").map((each) => /^\s*([A-Za-z_]\w*)/.exec(each)?.[1] ?? ""),
    ),
  ];
  return {
    text,
    port: given.find((each) => each !== undefined),
    readsPort: variables.includes("PORT"),
    mayListen:
      /\b(?:listen|serve)\s*\(/.test(text) ||
      /(?:require\(\s*|from\s+|import\s*\(?\s*)["']\./.test(text),
    variables: [...new Set(variables)].filter((name) => name !== ""),
  };
}
