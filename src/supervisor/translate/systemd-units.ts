import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";

import { configError, quoted } from "../config/problems.ts";
import { type IniEntry, readIni } from "./ini.ts";

/** A unit with the entries of its file and of the files in `UNIT.d`. */
export interface Unit {
  readonly file: string;
  /** Without the extension, and without `@` of a template. */
  readonly name: string;
  readonly kind: string;
  readonly entries: readonly IniEntry[];
}

/** The units that a path on the command line names: one file, or all units of a directory. */
export function unitFiles(path: string): readonly string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => /\.(?:service|socket|timer|target|path)$/.test(name))
    .toSorted()
    .map((name) => join(path, name));
}

/** Reads a unit, with the files of `UNIT.d`. */
export function readUnit(file: string, cwd: string): Unit {
  const parts = existsSync(`${file}.d`)
    ? readdirSync(`${file}.d`)
        .filter((name) => name.endsWith(".conf"))
        .toSorted()
        .map((name) => join(`${file}.d`, name))
    : [];
  const entries = [file, ...parts].flatMap((each) => {
    const ini = readIni(readFileSync(each, "utf8"), "systemd");
    const [problem] = ini.problems;
    if (problem === undefined) return ini.entries;
    const message = `This line is ${quoted(problem.text)}; a line is [SECTION] or KEY=VALUE.`;
    throw configError([{ file: each, line: problem.line, path: "", message }], cwd);
  });
  const kind = extname(file);
  return { file, kind, name: basename(file, kind).replace(/@.*$/, ""), entries };
}
