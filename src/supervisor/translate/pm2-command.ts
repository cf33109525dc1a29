import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { basename, extname, isAbsolute, relative, resolve } from "node:path";

import type { Settings } from "./draft.ts";
import { nodeOptions } from "./node-program.ts";
import { list, scalar } from "./parsed.ts";
import type { Pm2App } from "./pm2-app.ts";
import { splitShell } from "./shell-words.ts";

/** The programs that pm2 starts a script with, by its extension. */
const INTERPRETERS: ReadonlyMap<string, string> = new Map([
  [".sh", "bash"],
  [".py", "python3"],
  [".rb", "ruby"],
  [".php", "php"],
  [".pl", "perl"],
  [".coffee", "coffee"],
  [".ls", "lsc"],
]);

/** The command of an app: `node`, `nodeArgs`, `args`, or `run`. */
export function pm2Command(each: Pm2App, cwd: string): Settings {
  const { app } = each;
  const script = scalar(app["script"]) ?? scalar(app["exec"]) ?? scalar(app["cmd"]);
  if (script === undefined) return missingScript(each);
  const args = wordsOf(app["args"]);
  const interpreter = interpreterOf(each);
  const file = resolve(cwd, script);
  const exists = statSync(file, { throwIfNoEntry: false })?.isFile() === true;
  // pm2 gives a script with spaces to a shell, unless there is such a file.
  if (/\s/.test(script) && !exists)
    return { run: [script.trim(), ...(args.length === 0 ? [] : [joined(app["args"])])].join(" ") };
  const options = [
    ...wordsOf(
      app["interpreter_args"] ?? app["interpreterArgs"] ?? app["node_args"] ?? app["nodeArgs"],
    ),
    ...(app["source_map_support"] === true ? ["--enable-source-maps"] : []),
  ];
  const path = inProject(script, each.parsed.directory, cwd);
  const program =
    interpreter ?? INTERPRETERS.get(extname(script)) ?? usualProgram(script, file, exists);
  if (program === "none") return { run: [path, ...args] };
  if (basename(program) !== "node") return { run: [program, ...options, path, ...args] };
  return {
    node: path,
    ...nodeOptions(options, args),
    ...(program === "node" ? {} : { nodePath: program }),
  };
}

function missingScript({ keys, service, parsed, notes }: Pm2App): Settings {
  notes.dropped(
    { line: parsed.lineOf(keys), service, key: "script" },
    "the app has no script, so write node or run",
  );
  return {};
}

function interpreterOf({ app, keys, service, parsed, notes }: Pm2App): string | undefined {
  const given = scalar(app["interpreter"]) ?? scalar(app["exec_interpreter"]);
  if (given === undefined || given === "") return undefined;
  const version = /^node@(.+)$/.exec(given)?.[1];
  if (version === undefined) return given;
  notes.dropped(
    { line: parsed.lineOf([...keys, "interpreter"]), service, key: "interpreter" },
    "newel installs no Node.js; nodePath names the executable of another version",
  );
  return "node";
}

/** A script without a known extension: Node.js, unless it is a program of its own. */
function usualProgram(script: string, file: string, exists: boolean): string {
  if (/^\.[cm]?[jt]s$/.test(extname(script))) return "node";
  if (!exists && existsSync(`${file}.js`)) return "node";
  if (!exists)
    return script.includes("/") && !script.includes("node_modules/.bin/") ? "node" : "none";
  // A link of node_modules/.bin may be a script of a shell.
  if (script.includes("node_modules/.bin/")) return "none";
  const first = beginningOf(file);
  if (first.startsWith("#!")) return /\bnode\b/.test(first.split("\n")[0] ?? "") ? "node" : "none";
  // No text has a NUL: it is a binary.
  return first.includes("\0") ? "none" : "node";
}

function beginningOf(file: string): string {
  const fd = openSync(file, "r");
  try {
    const bytes = Buffer.alloc(256);
    return bytes.toString("latin1", 0, readSync(fd, bytes));
  } finally {
    closeSync(fd);
  }
}

function wordsOf(value: unknown): readonly string[] {
  return typeof value === "string" ? splitShell(value).words : list(value);
}

const joined = (value: unknown): string =>
  typeof value === "string" ? value : list(value).join(" ");

/** An absolute path below the directory of the file, as one relative to cwd: the file may move with its project. */
function inProject(script: string, directory: string, cwd: string): string {
  if (!isAbsolute(script)) return script.replace(/^\.\/(?=.*\.[cm]?[jt]s$)/, "");
  const within = relative(directory, script);
  return within.startsWith("..") ? script : relative(cwd, script);
}
