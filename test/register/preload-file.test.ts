import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { parse } from "acorn";

import { preloadPath } from "../../src/base/modules.ts";

test("the preload is one CommonJS file with the syntax of ECMAScript 2015", () => {
  const source = readFileSync(preloadPath(), "utf8");
  parse(source, { ecmaVersion: 2015, sourceType: "script", allowReturnOutsideFunction: true });
  const loaded = [...source.matchAll(/require\("([^"]+)"\)/g)].map(([, name]) => name ?? "");
  assert.ok(loaded.length > 0);
  assert.deepEqual(
    loaded.filter((name) => !name.startsWith("node:")),
    [],
  );
});

test("the preload returns at once on a Node.js older than version 20", () => {
  const code = `
    const { readFileSync } = require("fs");
    const load = (version) => {
      const required = [];
      const old = { versions: { node: version }, env: { NEWEL_PROCESS: "web.1", NEWEL_LISTEN: "[]" } };
      const body = readFileSync(${JSON.stringify(preloadPath())}, "utf8");
      new Function("process", "require", body)(old, (name) => required.push(name));
      return required;
    };
    console.log(load("6.17.1").length, load("18.20.8").length, load("19.9.0").length);`;
  const printed = execFileSync(process.execPath, ["-e", code], { encoding: "utf8" });
  assert.equal(printed, "0 0 0\n");
});
