/** ARCHITECTURE.md, its pages and CONTRIBUTING.md describe the code as it is. */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, test } from "node:test";

import { layersOf, linterLayers } from "./layers.ts";
import { missingNames, namesOf, readRepository } from "./names.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const page = read("ARCHITECTURE.md");
const DECISIONS = globSync("docs/decisions/[0-9]*.md", { cwd: root }).sort();

describe("layers", () => {
  const layers = layersOf(page);
  const linter = linterLayers(read(".oxlintrc.json"));

  test("the table has each folder of src once, and no other", () => {
    const folders = globSync("*/", { cwd: join(root, "src") }).map((name) => basename(name));
    assert.deepEqual([...layers.tops.keys()].sort(), folders.sort());
    for (const path of layers.inner) assert.ok(existsSync(join(root, "src", path)), path);
  });

  test("the linter forbids exactly the imports that the table forbids", () => {
    const all = new Map([...layers.tops, ...layers.planned]);
    assert.deepEqual([...linter.keys()].sort(), [...all.keys()].sort());
    for (const [from, layer] of all) {
      const forbids = linter.get(from);
      assert.ok(forbids !== undefined);
      for (const [to, other] of all) {
        const expected =
          to !== from && (other >= layer || layers.only.get(from)?.has(to) === false);
        for (const path of [`../${to}/a.ts`, `../../${to}/b/c.ts`]) {
          assert.equal(forbids(path), expected, `${from} (layer ${layer}) imports ${path}`);
        }
      }
      assert.equal(forbids("./own.ts"), false);
      assert.equal(forbids("../other/index.ts"), true, `${from} imports an index.ts`);
    }
  });

  test("inner folders are on the layer of their folder", () => {
    for (const [path, layer] of layers.innerLayers) {
      assert.equal(layers.tops.get(path.split("/")[0] ?? ""), layer, path);
    }
  });

  test("a wrong table and a wrong rule are found", () => {
    const moved = layersOf(page.replace("| 5 | `singleton/`", "| 6 | `singleton/`"));
    assert.equal(moved.tops.get("singleton"), 6);
    const loose = linterLayers(
      read(".oxlintrc.json").replace("|supervisor|deploy|dashboard|cli)/", ")/"),
    );
    const all = [...layers.tops.keys()];
    assert.ok(
      all.some((from) =>
        all.some(
          (to) => loose.get(from)?.(`../${to}/a.ts`) !== linter.get(from)?.(`../${to}/a.ts`),
        ),
      ),
    );
  });
});

describe("names", () => {
  const repository = readRepository(root);
  const pages = [
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    ...globSync("docs/architecture/*.md", { cwd: root }),
    ...globSync("docs/decisions/*.md", { cwd: root }),
  ];
  test("each file, name and npm script of the pages exists", () => {
    for (const path of pages) {
      assert.deepEqual(missingNames(namesOf(read(path)), repository), [], path);
    }
  });

  test("names that do not exist are found", () => {
    const text =
      "`wire/no-such.ts`, `no-such.ts`, `src/nowhere/`, `NoSuchClass.run`, `npm run no-such`, `wire/codec.ts`\n" +
      "```sh\nnpm run neither\n```\n[page](docs/none.md)";
    assert.deepEqual(missingNames(namesOf(text), repository).sort(), [
      "NoSuchClass",
      "no-such.ts",
      "npm run neither",
      "npm run no-such",
      "src/nowhere/",
      "wire/no-such.ts",
    ]);
  });
});

describe("decisions", () => {
  test("each number is used once, and a title has the number of its file", () => {
    const numbers = DECISIONS.map((path) => basename(path).slice(0, 3));
    assert.equal(new Set(numbers).size, numbers.length);
    for (const path of DECISIONS) {
      assert.match(basename(path), /^\d{3}-/);
      const number = Number(basename(path).slice(0, 3));
      assert.match(read(path), new RegExp(`^# ${number}\\. \\S`), path);
    }
  });

  test("the index has each page once, with its title", () => {
    const index = read("docs/decisions/README.md");
    const listed = [...index.matchAll(/^- \[(\d{3})\]\((\S+)\) (.+)$/gm)]
      .map(([, number, file, title]) => `${number} ${file} ${title}`)
      .sort();
    const present = DECISIONS.map((path) => {
      const title = /^# \d+\. (.+)$/m.exec(read(path))?.[1];
      return `${basename(path).slice(0, 3)} ${basename(path)} ${title}`;
    });
    assert.deepEqual(listed, present);
  });
});

test("ARCHITECTURE.md is read in ten minutes", () => {
  const words = page.split(/\s+/).length;
  assert.ok(words <= 2_300, `${words} words; move details to docs/architecture or docs/decisions`);
});
