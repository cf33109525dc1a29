import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { hasCode, isNewelError } from "../../src/base/errors.ts";
import {
  callContext,
  defineContract,
  type Contract,
  type Remote,
} from "../../src/wire/contract.ts";
import { connectUnix, serveUnix } from "../../src/wire/unix.ts";
import { eventually, temporaryDirectory, type Scope } from "../helpers/resources.ts";

// Usage: an interface, its contract, an implementation; a server and a client.
interface Clock {
  add(left: number, right: number): Promise<number>;
  /** Counts up, until the caller cancels. */
  ticks(from: number): AsyncIterable<number>;
}

const clockContract: Contract<Clock> = defineContract<Clock>()({
  name: "clock",
  version: 1,
  calls: ["add"],
  streams: ["ticks"],
});

class WallClock implements Clock {
  stopped = 0;

  async add(left: number, right: number): Promise<number> {
    return left + right;
  }

  async *ticks(from: number): AsyncGenerator<number> {
    const { signal } = callContext();
    try {
      for (let tick = from; !signal.aborted; tick += 1) yield tick;
    } finally {
      this.stopped += 1;
    }
  }
}

test("a contract is served and called", async (t) => {
  const path = join(temporaryDirectory(t), "clock.sock");
  const clock = new WallClock();
  await using server = await serveUnix(path, clockContract, clock);
  await using connection = await connectUnix(path, clockContract);
  const { remote } = connection;

  assert.equal(await remote.add(2, 3), 5);

  const seen: number[] = [];
  for await (const tick of remote.ticks(7)) {
    seen.push(tick);
    if (seen.length === 3) break;
  }
  assert.deepEqual(seen, [7, 8, 9]);
  await eventually(() => clock.stopped === 1, "the producer ends when its reader leaves");

  const withLimit = remote.with({ timeoutMs: 5_000, signal: AbortSignal.timeout(5_000) });
  assert.equal(await withLimit.add(1, 1), 2);
  assert.equal(server.connections, 1);
});

interface Lab {
  echo(...values: unknown[]): Promise<unknown>;
  fail(kind: string): Promise<never>;
  wait(): Promise<string>;
  sync(): string;
  cancelled(): Promise<number>;
  numbers(count: number): Generator<number>;
  broken(after: number): AsyncIterable<number>;
  who(): Promise<string>;
}

const labContract: Contract<Lab> = defineContract<Lab>()({
  name: "lab",
  version: 3,
  calls: ["echo", "fail", "wait", "sync", "cancelled", "who"],
  streams: ["numbers", "broken"],
});

class OddError extends Error {
  override name = "OddError";
  readonly code = "E_ODD";
  readonly path = "/tmp/x";
  readonly socket = { self: process };
}

function lab(): Lab {
  let cancelled = 0;
  return {
    echo: async (...values) => (values.length === 1 ? values[0] : values),
    async fail(kind) {
      if (kind === "odd") throw new OddError("odd", { cause: new TypeError("behind") });
      if (kind === "missing") {
        const { readFileSync } = await import("node:fs");
        readFileSync("/nonexistent/file");
      }
      // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error
      throw "a word";
    },
    wait() {
      const { signal } = callContext();
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          cancelled += 1;
          resolve("given up");
        });
      });
    },
    sync: () => "at once",
    cancelled: async () => cancelled,
    *numbers(count) {
      for (let number = 0; number < count; number += 1) yield number;
    },
    async *broken(after) {
      for (let number = 0; number < after; number += 1) yield number;
      throw new RangeError("broke");
    },
    who: async () => callContext().peer,
  };
}

async function startLab(t: Scope): Promise<Remote<Lab>> {
  const path = join(temporaryDirectory(t), "lab.sock");
  const server = await serveUnix(path, labContract, lab());
  t.after(() => server.close());
  const connection = await connectUnix(path, labContract);
  t.after(() => connection.close());
  return connection.remote;
}

test("values come back unchanged", async (t) => {
  const remote = await startLab(t);
  const values = [
    null,
    "ünï \u0000 \ud800 😀",
    0,
    -0,
    1e308,
    Number.NaN,
    -Infinity,
    123n ** 20n,
    true,
    [],
    {},
    [[], [undefined, 1]],
    { a: undefined, b: [1, { c: null }] },
    { $: "date", v: 1 },
    { $: undefined },
    new Date(1_700_000_000_000),
    new Map<unknown, unknown>([
      [{ a: 1 }, new Set([1n, "x"])],
      ["k", new Map()],
    ]),
    Buffer.from("bytes"),
    Buffer.alloc(3_000_000, 7),
    new Float64Array([1.5, -0]),
    new BigInt64Array([-5n]),
    [Buffer.from("a"), { deep: Buffer.alloc(0) }, Buffer.alloc(20_000, 1)],
    new Uint8Array([1, 2]),
    new DataView(new ArrayBuffer(3)),
    10n ** 20_000n,
    Object.assign([1, 2, 3], { total: 9 }),
    "a-b".match(/b/),
    /a+/giu,
    [Object("text"), Object(1n)],
    new AggregateError([new TypeError("one")], "all", { cause: new Map([[1, 2]]) }),
    new DOMException("gone", "NotFoundError"),
    "x".repeat(100_000),
    { long: "é".repeat(40_000) },
  ];
  for (const value of values) assert.deepStrictEqual(await remote.echo(value), value);
  // Trailing undefined arguments are not sent.
  assert.deepStrictEqual(await remote.echo(undefined), []);
  assert.deepStrictEqual(await remote.echo(1, undefined, 3, undefined), [1, undefined, 3]);
  assert.ok(Number.isNaN(((await remote.echo(new Date(Number.NaN))) as Date).getTime()));
  const circle: { self?: unknown } = {};
  circle.self = circle;
  const back = (await remote.echo(circle)) as { self?: unknown };
  assert.equal(back.self, back);
});

test("values that cannot be sent are refused at the sender, without other effects", async (t) => {
  const remote = await startLab(t);
  await assert.rejects(remote.echo({ list: [1, new URL("http://x.y/z")] }), {
    code: "NEWEL_E_NOT_SENDABLE",
    message: /value\[0\]\.list\[1\] is a URL, and its state is hidden/,
  });
  await assert.rejects(remote.echo(Symbol("x")), { code: "NEWEL_E_NOT_SENDABLE" });
  await assert.rejects(remote.echo(Promise.resolve(1)), { code: "NEWEL_E_NOT_SENDABLE" });
  await assert.rejects(remote.echo(Array.from({ length: 2_000 }, () => Buffer.alloc(1))), {
    code: "NEWEL_E_LIMIT",
  });
  await assert.rejects(remote.echo(Buffer.alloc(64 * 1_048_576 + 1)), { code: "NEWEL_E_LIMIT" });
  let deep: unknown = 1;
  for (let level = 0; level < 99; level += 1) deep = [deep];
  assert.deepStrictEqual(await remote.echo(deep), deep);
  await assert.rejects(remote.echo([deep]), { code: "NEWEL_E_LIMIT" });
});

test("errors come back with their name, code, properties, stack and cause", async (t) => {
  const remote = await startLab(t);
  const odd = await remote.fail("odd").catch((error: unknown) => error);
  assert.ok(odd instanceof Error);
  assert.equal(odd.name, "OddError");
  assert.equal(odd.message, "odd");
  assert.equal("code" in odd && odd.code, "E_ODD");
  assert.equal("path" in odd && odd.path, "/tmp/x");
  assert.ok(!("socket" in odd), "what cannot be sent is left out");
  assert.match(odd.stack ?? "", /contract\.test\.ts/);
  assert.ok(odd.cause instanceof TypeError);
  assert.equal(odd.cause.message, "behind");
  await assert.rejects(remote.fail("missing"), { code: "ENOENT", syscall: "open" });
  await assert.rejects(remote.fail("word"), { code: "NEWEL_E_REMOTE", cause: "a word" });
});

test("a call ends when its signal aborts or its deadline passes, on both sides", async (t) => {
  const remote = await startLab(t);
  const controller = new AbortController();
  const waiting = remote.with({ signal: controller.signal }).wait();
  setTimeout(() => controller.abort(new Error("changed my mind")), 30);
  await assert.rejects(waiting, (error: Error) => {
    assert.ok(hasCode(error, "NEWEL_E_CANCELLED"));
    assert.match(String(error.cause), /changed my mind/);
    return true;
  });
  await assert.rejects(remote.with({ signal: controller.signal }).sync(), {
    code: "NEWEL_E_CANCELLED",
  });
  await assert.rejects(remote.with({ timeoutMs: 40 }).wait(), {
    code: "NEWEL_E_DEADLINE",
    message: /wait .* within 40 ms/,
  });
  await eventually(async () => (await remote.cancelled()) === 2, "both methods were told");
  assert.equal(await remote.sync(), "at once");
});

test("a stream ends, breaks, and is cancelled", async (t) => {
  const remote = await startLab(t);
  assert.equal((await Array.fromAsync(remote.numbers(5_000))).length, 5_000);
  const seen: number[] = [];
  await assert.rejects(
    async () => {
      for await (const number of remote.broken(3)) seen.push(number);
    },
    { name: "RangeError", message: "broke" },
  );
  assert.deepEqual(seen, [0, 1, 2]);
  const controller = new AbortController();
  await assert.rejects(
    async () => {
      for await (const number of remote.with({ signal: controller.signal }).numbers(1e9))
        if (number === 1_000) controller.abort();
    },
    { code: "NEWEL_E_CANCELLED" },
  );
});

test("calls above the peer's limit wait their turn", async (t) => {
  const remote = await startLab(t);
  const answers = await Promise.all(
    Array.from({ length: 2_000 }, (_, index) => remote.echo(index)),
  );
  assert.deepEqual(
    answers,
    Array.from({ length: 2_000 }, (_, index) => index),
  );
});

test("a remote is never mistaken for a promise, and has only its methods", async (t) => {
  const remote = await startLab(t);
  assert.equal(await Promise.resolve(remote), remote);
  assert.equal(Object.getPrototypeOf(remote), null);
  const names = ["broken", "cancelled", "echo", "fail", "numbers", "sync", "wait", "who", "with"];
  assert.deepEqual(Object.keys(remote).sort(), names);
});

test("a method can read the identity of its caller", async (t) => {
  const remote = await startLab(t);
  assert.equal(await remote.who(), `uid ${process.getuid?.()}, pid ${process.pid}`);
});

test("names with a special meaning cannot be methods", () => {
  for (const name of ["then", "constructor", "__proto__", "toString", "_private", "with"]) {
    assert.throws(
      () =>
        defineContract<Record<string, () => Promise<void>>>()({
          name: "bad",
          version: 1,
          calls: [name],
          streams: [],
        }),
      { code: "NEWEL_E_CONTRACT" },
    );
  }
});

test("both ends get an error when their contracts differ", async (t) => {
  const path = join(temporaryDirectory(t), "lab.sock");
  const refused: Error[] = [];
  await using _ = await serveUnix(path, labContract, lab(), {
    onRefused: (error) => refused.push(error),
  });
  await assert.rejects(connectUnix(path, clockContract), (error: Error) => {
    assert.ok(hasCode(error, "NEWEL_E_VERSION_SKEW"));
    assert.match(error.message, /lab\/3.*clock\/1/);
    return true;
  });
  await eventually(() => refused.some(isNewelError), "the server says it refused");
});
