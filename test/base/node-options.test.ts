import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import {
  environmentWithoutPreload,
  hasPreload,
  PRELOAD_FILE,
  withoutPreload,
  withPreload,
} from "../../src/base/node-options.ts";
import { temporaryDirectory } from "../helpers/resources.ts";

const DIRECTORIES = [
  "plain",
  "with space  two",
  'a "quoted" name',
  String.raw`back\slash\\two\"`,
  "ünïcode 名前 🚀",
  "'single' $HOME `x` ; # %",
  "tab\tline\nend",
];

for (const name of DIRECTORIES) {
  test(`Node.js loads the preload from a directory named ${JSON.stringify(name)}`, (t) => {
    const directory = join(temporaryDirectory(t), name);
    mkdirSync(directory);
    const preload = join(directory, PRELOAD_FILE);
    writeFileSync(preload, "console.log('preload');");
    const other = join(directory, "other hook.cjs");
    writeFileSync(other, "console.log('other');");
    const own = `--require "${other.replaceAll(/["\\]/g, String.raw`\$&`)}" --no-warnings`;
    const run = (options: string): string =>
      execFileSync(process.execPath, ["-e", "console.log(1)"], {
        encoding: "utf8",
        env: { ...process.env, NODE_OPTIONS: options },
      });
    const options = withPreload(own, preload);
    assert.equal(run(options), "preload\nother\n1\n");
    assert.equal(withoutPreload(options), own);
    assert.ok(hasPreload(options));
    assert.equal(run(own), "other\n1\n");
  });
}

test("the preload is added once, and is first", () => {
  const first = withPreload("--no-warnings", `/old/${PRELOAD_FILE}`);
  assert.equal(
    withPreload(first, `/new/${PRELOAD_FILE}`),
    `--require="/new/${PRELOAD_FILE}" --no-warnings`,
  );
  assert.equal(withPreload(undefined, `/x/${PRELOAD_FILE}`), `--require="/x/${PRELOAD_FILE}"`);
});

test("the preload is found in NODE_OPTIONS that another program has rewritten", () => {
  for (const part of [
    `--require=/x/${PRELOAD_FILE}`,
    `-r /x/${PRELOAD_FILE}`,
    `--require "/x y/${PRELOAD_FILE}"`,
  ]) {
    assert.equal(withoutPreload(part), undefined);
    assert.equal(withoutPreload(`--a ${part} --b`), "--a --b");
  }
  for (const other of [`--require=/x/${PRELOAD_FILE}.js`, "--require ./.pnp.cjs", "--title=a"])
    assert.equal(withoutPreload(other), other);
});

test("an environment without the preload keeps all other variables", () => {
  const options = withPreload("--title=x", `/x/${PRELOAD_FILE}`);
  assert.deepEqual(environmentWithoutPreload({ A: "1", NODE_OPTIONS: options }), {
    A: "1",
    NODE_OPTIONS: "--title=x",
  });
  const alone = withPreload(undefined, `/x/${PRELOAD_FILE}`);
  assert.deepEqual(environmentWithoutPreload({ A: "1", NODE_OPTIONS: alone }), { A: "1" });
});
