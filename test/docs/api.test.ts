/** The snapshots of public types (scripts/api.mjs) show each change of them, and no other. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";

import { Surface } from "../../scripts/api/surface.ts";

const FILES = {
  "index.d.ts": [
    'export * from "./a.ts";',
    'export { type Inner as Outer, make } from "./deep/b.js";',
    'export * as words from "./words.ts";',
  ],
  "a.d.ts": [
    'import type { Duration } from "./units.ts";',
    'import { EventEmitter } from "node:events";',
    "/** Runs; with a `;` and a { in its comment. */",
    "export declare class A extends EventEmitter {",
    "    #private;",
    "    run(timeout: Duration): Promise<void>;",
    "}",
    "interface Unused {",
    "    a: 1;",
    "}",
  ],
  "deep/b.d.ts": [
    "export interface Inner {",
    '    readonly sign: "}" | `;${string}`;',
    "}",
    "export declare function make(): Inner;",
    "export declare function make(kind: string): Inner;",
    "export declare const unused: 1;",
  ],
  "units.d.ts": ["export type Duration = number | Text;", "type Text = string;", "export {};"],
  "words.d.ts": ["export declare const WORD = 1;"],
};

function snapshot(t: TestContext, changes: Record<string, readonly string[]> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "newel-api-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [file, lines] of Object.entries({ ...FILES, ...changes })) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), lines.join("\n"));
  }
  return new Surface().snapshot(join(folder, "index.d.ts"));
}

test("a snapshot has the exports and the types that they need, without comments", (t) => {
  assert.equal(
    snapshot(t),
    `export class A extends EventEmitter {
    #private;
    run(timeout: Duration): Promise<void>;
}

interface Inner {
    readonly sign: "}" | \`;\${string}\`;
}
export { Inner as Outer };

export function make(): Inner;
export function make(kind: string): Inner;

export * as words;

// Not exported, but used by the types above.

type Duration = number | Text;

type Text = string;

const WORD = 1;

// Types of other packages:
// - EventEmitter from "node:events"`,
  );
});

test("a change of a type that an export only uses changes the snapshot", (t) => {
  const changed = { "units.d.ts": ["export type Duration = number;"] };
  assert.notEqual(snapshot(t, changed), snapshot(t));
});

test("comments, unused types and the files that hold types change nothing", (t) => {
  const moved = {
    "a.d.ts": [
      'import type { Duration } from "./other/units.js";',
      'import { EventEmitter } from "node:events";',
      "export declare class A extends EventEmitter {",
      "    #private;",
      "    // Another comment.",
      "    run(timeout: Duration): Promise<void>;",
      "}",
    ],
    "other/units.d.ts": FILES["units.d.ts"],
  };
  assert.equal(snapshot(t, moved), snapshot(t));
});

test("a changed text for people changes nothing", (t) => {
  const words = (fix: string) => ({
    "words.d.ts": [`export declare const WORD: { readonly fix: "${fix}"; readonly key: "fix" };`],
  });
  const text = snapshot(t, words('Write a \\"word\\".'));
  assert.equal(text, snapshot(t, words("Write two words.")));
  assert.match(text, /fix: "…"; readonly key: "fix"/);
});

test("an import without declarations is an error", (t) => {
  assert.throws(() => snapshot(t, { "index.d.ts": ['export * from "./none.ts";'] }), /none\.ts/);
});
