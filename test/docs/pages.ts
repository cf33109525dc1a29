// The fenced blocks and command lines of README.md, the guides and the reference.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

export interface Block {
  readonly page: string;
  /** Where the block begins, for messages: `docs/guide/bus.md:6`. */
  readonly place: string;
  readonly language: string;
  readonly code: string;
}

/** Paths of README.md, the guides and the reference, relative to the repository. */
export const PAGES: readonly string[] = [
  "README.md",
  ...globSync(["docs/guide/*.md", "docs/reference/*.md"], { cwd: ROOT }).sort(),
];

/** Pages of other parts, where only configurations and command lines are checked here: the tests of the part. */
export const PAGES_ELSEWHERE: Readonly<Record<string, string>> = {
  "docs/guide/jobs.md": "test/jobs/client/guide.test.ts",
  "docs/guide/jobs-server.md": "test/jobs/server/",
  "docs/guide/jobs-sqlite.md": "test/jobs/conformance/",
  "docs/guide/jobs-web.md": "test/jobs/web/guide.test.ts",
  "docs/guide/pool.md": "test/pool/examples.test.ts",
  "docs/guide/singleton.md": "test/singleton/examples.test.ts",
};

export function readPage(page: string): string {
  return readFileSync(join(ROOT, page), "utf8");
}

export function blocksOf(page: string): Block[] {
  const text = readPage(page);
  return [...text.matchAll(/^ *```(\w*).*\n([^]*?)^ *```$/gm)].map((match) => {
    const [, language = "", code = ""] = match;
    const line = text.slice(0, match.index).split("\n").length;
    return { page, place: `${page}:${line}`, language, code };
  });
}

export interface ShellLine {
  readonly place: string;
  /** The line without its comment. */
  readonly line: string;
}

export function shellLines({ place, code }: Block): ShellLine[] {
  return code
    .split("\n")
    .map((line) => line.replace(/(?:^|\s+)#.*/, ""))
    .filter((line) => line !== "")
    .map((line) => ({ place, line }));
}

/** The words after each `newel` of a shell line, one list for each command. */
export function newelCommands(line: string): string[][] {
  const tokens = line.match(/(?:"[^"]*"|'[^']*'|[^\s"'|&;<>])+|[|&;<>]+/g) ?? [];
  const commands: string[][] = [[]];
  for (const token of tokens) {
    if (/^[|&;<>]/.test(token)) commands.push([]);
    else commands.at(-1)?.push(token.replace(/(["'])(.*?)\1/g, "$2"));
  }
  return commands
    .map((words) => words.filter((word, index) => index > 0 || !["npx", "exec"].includes(word)))
    .filter(([program]) => program === "newel")
    .map(([, ...words]) => words);
}
