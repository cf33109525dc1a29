import assert from "node:assert/strict";
import { test } from "node:test";

import { hasMoreThanElements, kindOf } from "../../src/base/values.ts";
import { decodeText, encodeText } from "../../src/wire/text.ts";
import { compareValues } from "../helpers/compare-values.ts";
import { overWire } from "./echo.ts";

const seed = Date.now() % 1_000_000_000;

test("2,000 random values come back over the wire unchanged, or are refused", async (t) => {
  t.diagnostic(`seed ${seed}`);
  await overWire((echo) => compareValues(echo, 2_000, seed, true));
});

test("2,000 random values come back from text unchanged, or are refused", async (t) => {
  t.diagnostic(`seed ${seed}`);
  await compareValues(async (value) => decodeText(encodeText(value)), 2_000, seed);
});

test("a part that cannot be sent is named with its path", () => {
  const refused = (value: unknown, message: RegExp): void =>
    assert.throws(() => encodeText(value), { code: "NEWEL_E_NOT_SENDABLE", message });
  refused(new URL("http://x"), /: value is a URL, and its state is hidden/);
  refused(
    { users: [1, { "home page": new URL("http://x") }] },
    /value\.users\[1\]\["home page"\] is a URL/,
  );
  refused(new Map([["a", () => 1]]), /value\.a is a function/);
  refused(new Error("x", { cause: [Symbol("y")] }), /value\.cause\[0\] is a symbol/);
  refused(
    {
      get broken(): never {
        throw new TypeError("not now");
      },
    },
    /value\.broken is no readable value, and reading it failed \(not now\)/,
  );
});

test("an instance of a program's class arrives as its own fields", () => {
  class Point {
    readonly x = 1;
    readonly #hidden = 2;
    get sum(): number {
      return this.x + this.#hidden;
    }
    toJSON(): string {
      return "not asked";
    }
  }
  class Hidden {
    readonly #hidden = 2;
    get sum(): number {
      return this.#hidden;
    }
  }
  assert.deepEqual(decodeText(encodeText(new Point())), { x: 1 });
  assert.deepEqual(decodeText(encodeText([new Hidden()])), [{}]);
  assert.equal(kindOf(new Point()), "record");
});

test("objects that occur many times are written once", () => {
  let graph: unknown = { end: true };
  for (let level = 0; level < 90; level += 1) graph = [graph, graph];
  const back = decodeText(encodeText(graph)) as [unknown, unknown];
  assert.equal(back[0], back[1]);
});

test("holes and added properties of a list are found at every length", () => {
  for (const length of [0, 1, 2, 199, 200, 201, 5_000]) {
    const list = Array.from({ length }, (_, index) => index);
    assert.equal(hasMoreThanElements(list), false, `${length} elements`);
    assert.equal(hasMoreThanElements(Object.assign([...list], { total: 1 })), true);
    const withHole = [...list];
    withHole.length += 1;
    assert.equal(hasMoreThanElements(withHole), true);
    assert.equal(hasMoreThanElements(Object.assign(withHole, { total: 1 })), true);
  }
});
