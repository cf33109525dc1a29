// Every link between the pages leads to a file, and to a heading where it names one.
import assert from "node:assert/strict";
import { existsSync, globSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";

import { ERROR_CODES } from "../../src/base/error-codes.ts";
import { readPage, ROOT } from "./pages.ts";

const PAGES = globSync(["*.md", "docs/**/*.md"], { cwd: ROOT }).sort();

/** The anchor that GitHub and VitePress give a heading. */
function anchorOf(heading: string): string {
  const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
  return text.replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(" ", "-");
}

function withoutBlocks(page: string): string {
  return readPage(page).replaceAll(/^```[^]*?^```$/gm, "");
}

function anchorsOf(page: string): string[] {
  return [...withoutBlocks(page).matchAll(/^#+ (.+)$/gm)].map(([, text = ""]) => anchorOf(text));
}

function linksOf(page: string): string[] {
  const text = withoutBlocks(page).replaceAll(/`[^`\n]*`/g, "");
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
}

test("every relative link leads to a file and a heading that exist", () => {
  const broken: string[] = [];
  let count = 0;
  for (const page of PAGES)
    for (const link of linksOf(page).filter((each) => !/^\w+:/.test(each))) {
      count += 1;
      const [path = "", anchor = ""] = link.split("#");
      const file = path === "" ? page : join(dirname(page), path);
      const found = existsSync(join(ROOT, file));
      const leads = found && (anchor === "" || anchorsOf(file).includes(anchor));
      if (!leads) broken.push(`${page}: ${link}`);
    }
  assert.ok(count > 60, `only ${count} links`);
  assert.deepEqual(broken, []);
});

test("the index links to every guide and reference page", () => {
  const linked = linksOf("docs/README.md").map((link) => join("docs", link));
  const pages = PAGES.filter((page) =>
    /^docs\/(?:(?:guide|reference)\/)?(?!README)[^/]+$/.test(page),
  );
  const missing = pages.filter((page) => !linked.includes(page));
  assert.deepEqual(
    missing.map((page) => relative("docs", page)),
    [],
  );
});

test("every error code that a page names is in the table of codes", () => {
  const unknown = PAGES.filter((page) => /^(?:docs\/|README)/.test(page)).flatMap((page) =>
    [...readPage(page).matchAll(/\bNEWEL_E_[A-Z_]+\b(?![*…])/g)]
      .filter(([code]) => !Object.hasOwn(ERROR_CODES, code))
      .map(([code]) => `${page}: ${code}`),
  );
  assert.deepEqual(unknown, []);
});

test("the text before a block that is a file names the file", () => {
  const unnamed = PAGES.flatMap((page) => {
    const parts = readPage(page).split(/^(?=```\w* \[\S+\]$)/m);
    return parts.slice(1).flatMap((part, index) => {
      const [, file = ""] = /\[(\S+)\]/.exec(part) ?? [];
      const before = parts[index]?.trimEnd().split("\n\n").at(-1) ?? "";
      return before.includes(`\`${file}\``) ? [] : [`${page}: ${file}`];
    });
  });
  assert.deepEqual(unnamed, []);
});
