// The files whose prose is checked, and the lines of them that changed since a commit.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { type Sentence, sentencesOfPage, sentencesOfSource } from "./sentences.ts";

const SOURCES = "{src,test,bench,examples,scripts}/**/*.{ts,tsx,mts,cts,js,mjs,cjs}";
/** docs/errors.md is generated from the code table, whose texts are checked themselves. */
const PAGES = ["*.md", "docs/**/*.md"];
const GENERATED = new Set(["docs/errors.md"]);
/** Pages made from TSDoc, whose sentences are checked as comments. */
const REFERENCE = "docs/reference/api/";
/** Patterns and examples of what is not plain. */
const ABOUT_PROSE = new Set(["scripts/prose/rules.ts", "test/docs/prose.test.ts"]);

/** The sentences of all checked files, each with the folder that its budget is kept for. */
export function readSentences(root: string): (Sentence & { folder: string })[] {
  const sources = find(root, SOURCES).filter((file) => !ABOUT_PROSE.has(file));
  const pages = PAGES.flatMap((pattern) => find(root, pattern));
  return [
    ...sources.flatMap((file) => sentencesOfSource(file, readFileSync(join(root, file), "utf8"))),
    ...pages
      .filter((file) => !GENERATED.has(file) && !file.startsWith(REFERENCE))
      .flatMap((file) => sentencesOfPage(file, readFileSync(join(root, file), "utf8"))),
  ].map((sentence) => ({ ...sentence, folder: folderOf(sentence.file) }));
}

function find(root: string, pattern: string): string[] {
  const found = globSync(pattern, { cwd: root, exclude: (name) => name.includes("node_modules") });
  return found.sort();
}

/** `src/jobs/sqlite/wal.ts` → `src/jobs`; a page at the root stands for itself. */
function folderOf(file: string): string {
  const folders = file.split("/").slice(0, -1);
  return folders.length === 0 ? file : folders.slice(0, 2).join("/");
}

/**
 * Tells which lines were written since the last commit that changed `since`. Without git or that
 * commit every line counts as new.
 */
export function changedLines(
  root: string,
  since: string,
): (file: string, first: number, last: number) => boolean {
  const git = (...args: string[]): string =>
    spawnSync("git", args, { cwd: root, encoding: "utf8", maxBuffer: 2 ** 28 }).stdout ?? "";
  const commit = git("log", "-1", "--format=%H", "--", since).trim();
  if (commit === "") return () => true;
  const added = addedLines(git("diff", "--unified=0", "--no-ext-diff", "--no-color", commit));
  const untracked = new Set(git("ls-files", "--others", "--exclude-standard").split("\n"));
  return (file, first, last) =>
    (untracked.has(file) && existsSync(join(root, file))) ||
    (added.get(file) ?? []).some(([from, to]) => from <= last && to >= first);
}

function addedLines(diff: string): Map<string, [number, number][]> {
  const added = new Map<string, [number, number][]>();
  let ranges: [number, number][] = [];
  for (const line of diff.split("\n")) {
    const file = /^\+\+\+ b\/(.+)$/.exec(line)?.[1];
    if (file !== undefined) {
      ranges = [];
      added.set(file, ranges);
    }
    const hunk = /^@@ -\S+ \+(\d+)(?:,(\d+))? @@/.exec(line);
    if (hunk === null) continue;
    const from = Number(hunk[1]);
    ranges.push([from, from + Number(hunk[2] ?? 1) - 1]);
  }
  return added;
}
