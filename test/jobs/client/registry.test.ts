import assert from "node:assert/strict";
import { test } from "node:test";

import { job } from "../../../src/jobs/index.ts";
import { definitions, findDefinition, register } from "../../../src/jobs/registry.ts";

test("a module that is loaded again replaces its definitions; other code cannot reuse a name", async () => {
  const load = (query: string): Promise<{ twice: object }> =>
    import(`./fixtures/twice-a.ts${query}`) as Promise<{ twice: object }>;
  const first = await load("");
  assert.equal(findDefinition("twice"), first.twice);
  const second = await load("?again");
  assert.notEqual(second.twice, first.twice);
  assert.equal(findDefinition("twice"), second.twice);
  await assert.rejects(import("./fixtures/twice-b.ts"), {
    code: "NEWEL_E_JOB_DEFINED",
    message: /"?twice"? is defined twice: at .*twice-a\.ts:4, and at .*twice-b\.ts:3/,
  });
  assert.equal(findDefinition("twice"), second.twice);
});

test("a name can be defined only once in a file too", () => {
  job("once", {}, () => 1);
  assert.throws(() => job("once", {}, () => 1), { code: "NEWEL_E_JOB_DEFINED" });
});

test("a function that defines a job may be called again", () => {
  const define = (n: number) => job("made", {}, () => n);
  define(1);
  const last = define(2);
  assert.equal(findDefinition("made"), last);
});

test("a module that bundlers or development servers evaluate again is not a second definition", () => {
  const definition = findDefinition("once");
  assert.ok(definition);
  const again: [string, string][] = [
    ["webpack-internal:///./src/a.ts", "webpack-internal:///(rsc)/./src/a.ts"],
    ["/app/.next/server/chunks/1.js", "/app/.next/server/chunks/2.js"],
    ["/app/src/jobs.ts", "/app/src/jobs.ts"],
    ["file:///app/src/jobs.ts?t=1", "file:///app/src/jobs.ts?t=2"],
  ];
  for (const [at, [first, second]] of again.entries()) {
    const named = { ...definition, name: `again-${at}` };
    register(named, { module: first, line: 3, column: 1 });
    register(named, { module: second, line: 5, column: 1 });
  }
  const other = { ...definition, name: "other" };
  register(other, { module: "file:///app/a.ts", line: 3, column: 1 });
  assert.throws(() => register(other, { module: "/app/b.ts", line: 3, column: 1 }), {
    code: "NEWEL_E_JOB_DEFINED",
  });
});

test("definitions are listed by name", () => {
  const names = definitions().map(({ name }) => name);
  assert.deepEqual(names, names.toSorted());
  assert.ok(names.includes("once"));
});
