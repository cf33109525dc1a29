import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { temporaryDirectory } from "../../helpers/resources.ts";

const GUIDE = readFileSync(new URL("../../../docs/guide/jobs.md", import.meta.url), "utf8");
const PACKAGES: Readonly<Record<string, string>> = {
  "newel/jobs": new URL("../../../src/jobs/index.ts", import.meta.url).href,
  valibot: import.meta.resolve("valibot"),
};

test("the programs of the guide run as they stand there", (t) => {
  const directory = temporaryDirectory(t);
  const blocks = [...GUIDE.matchAll(/```ts\n([^]*?)```/g)].map(([, code = ""]) => resolved(code));
  const named = blocks.filter((code) => nameOf(code) !== undefined);
  for (const code of named) {
    const file = join(directory, nameOf(code) ?? "");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, code);
  }
  const rest = blocks.filter((code) => nameOf(code) === undefined);
  assert.deepEqual([named.length, rest.length], [1, 5]);
  writeFileSync(join(directory, "main.ts"), rest.join("\n"));
  const { status, stdout, stderr } = spawnSync(process.execPath, ["main.ts"], {
    cwd: directory,
    encoding: "utf8",
  });
  assert.deepEqual([status, stderr], [0, ""]);
  const lines = stdout.trimEnd().split("\n");
  assert.match(lines[0] ?? "", /^default~[0-9a-f]{32} waiting$/);
  assert.equal(lines[1], "waiting undefined undefined");
  assert.equal(lines[2], "1 running");
  assert.match(stdout, /nightly \d{4}-.*T0[12]:00:00\.000Z/);
  assert.match(lines.at(-1) ?? "", /^default~[0-9a-f]{32} 2$/);
});

/** `// src/jobs/import-contacts.ts` in the first line. */
function nameOf(code: string): string | undefined {
  return /^\/\/ (\S+\.ts)\n/.exec(code)?.[1];
}

function resolved(code: string): string {
  return code.replaceAll(/ from "([^".]+)"/g, (whole, name: string) => {
    const url = PACKAGES[name];
    return url === undefined ? whole : ` from ${JSON.stringify(url)}`;
  });
}
