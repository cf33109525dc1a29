import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { eventOf } from "../../helpers/kernel.ts";
import { eventually } from "../../helpers/resources.ts";
import { sendSignal } from "../../helpers/signals.ts";
import { fileScope, type Served, serveTestKernel, Wire } from "./wire.ts";

const scope = fileScope();
let served: Served;

before(async () => {
  served = await serveTestKernel(scope);
});
after(() => assert.deepEqual(served.logged, []));

const open = (): Promise<Wire> => Wire.open(scope, { path: served.home.kernelSocket });
const codeOf = (message: Record<string, unknown>): unknown =>
  (message["error"] as { code: string } | undefined)?.code;

interface Output {
  readonly name: string;
  readonly stream: string;
  readonly offset: number;
  readonly gap: number;
  readonly timeMs: number;
  readonly bytes: number;
}

/** The next message; for an output message also its bytes. */
async function piece(
  wire: Wire,
): Promise<{ message: Record<string, unknown>; output?: Output; data: Buffer }> {
  const message = await wire.message();
  const output = message["output"] as Output | undefined;
  if (output === undefined) return { message, data: Buffer.alloc(0) };
  const data = await wire.take(output.bytes + 1);
  assert.equal(data.at(-1), 0x0a);
  return { message, output, data: data.subarray(0, -1) };
}

describe("requests", () => {
  test("each request is answered with its id, errors too, and nothing else is written", async () => {
    const wire = await open();
    assert.deepEqual(await wire.json({ id: 1, do: "set", name: "j", value: 'a\n> "é"' }), {
      id: 1,
      ok: null,
    });
    assert.deepEqual(await wire.json({ id: "x", do: "get", name: "j" }), {
      id: "x",
      ok: { value: 'a\n> "é"' },
    });
    assert.equal(await wire.ask("get j"), 'a > "é"');
    assert.deepEqual(await wire.json({ id: 2, do: "list values" }), {
      id: 2,
      ok: [{ name: "j", value: 'a\n> "é"' }],
    });
    const missing = await wire.json({ id: 3, do: "remove sockets", names: ["nope"] });
    assert.equal(missing["id"], 3);
    assert.equal(codeOf(missing), "NEWEL_E_NOT_FOUND");
    const unread = await wire.json({ do: "status" });
    assert.deepEqual([unread["id"], codeOf(unread)], [null, "NEWEL_E_BAD_REQUEST"]);
    await wire.json({ id: 4, do: "set", name: "j" });
    assert.deepEqual(await wire.json({ id: 5, do: "get", name: "j" }), {
      id: 5,
      ok: { value: null },
    });
    assert.equal(wire.unread, 0);
  });

  test("many requests at once are answered in order", async () => {
    const wire = await open();
    const ids = Array.from({ length: 500 }, (_, id) => id);
    wire.send(ids.map((id) => `{"id":${id},"do":"get","name":"n"}\n`).join(""));
    for (const id of ids) assert.equal((await wire.message())["id"], id);
  });

  test("a socket and its listing have the fields of the API", async () => {
    const wire = await open();
    const made = await wire.json({ id: 1, do: "make socket", name: "js", backlog: 16 });
    assert.deepEqual(made["ok"], served.kernel.sockets.list(["js"])[0]);
    await wire.json({ id: 2, do: "remove sockets", names: ["js"] });
  });

  test("the environment of a process is in no answer", async () => {
    const wire = await open();
    const env = { SECRET: "hunter2hunter2" };
    const request = { do: "make process", name: "secret", args: ["/bin/true"], env };
    const seen = JSON.stringify([
      await wire.json({ id: 2, ...request }),
      await wire.json({ id: 3, do: "list processes" }),
      await wire.json({ id: 4, ...request, env: { SECRET: "other" } }),
      served.kernel.events.since(0),
    ]);
    assert.match(seen, /NEWEL_E_EXISTS/);
    assert.doesNotMatch(seen, /hunter2/);
  });

  test("quit answers and closes", async () => {
    const wire = await open();
    assert.deepEqual(await wire.json({ id: 1, do: "quit" }), { id: 1, ok: null });
    await wire.expectEnd();
  });
});

describe("output", () => {
  test("pieces arrive with their offsets, then the end, then done", async () => {
    const wire = await open();
    await wire.json({
      id: 1,
      do: "make process",
      name: "o1",
      args: ["/bin/sh", "-c", "printf abc; sleep 0.1; printf def >&2; exit 7"],
    });
    const first = await wire.json({ id: 9, do: "watch processes", names: ["o1"] });
    const [{ pid } = { pid: 0 }] = served.kernel.processes.list(["o1"]);
    assert.deepEqual(first, { id: 9, ok: { watching: [{ name: "o1", pid }] } });
    const got = { out: "", err: "" };
    for (;;) {
      const { message, output, data } = await piece(wire);
      assert.equal(message["id"], 9);
      if (output === undefined) {
        assert.deepEqual(message["ended"], { name: "o1", exitCode: 7 });
        break;
      }
      assert.equal(output.name, "o1");
      assert.equal(output.gap, 0);
      assert.equal(output.offset, got[output.stream as "out"].length);
      got[output.stream as "out"] += data.toString();
    }
    assert.deepEqual(got, { out: "abc", err: "def" });
    assert.deepEqual(await wire.message(), { id: 9, done: true });
  });

  test("output is read from an offset, without following, any number of times", async () => {
    const wire = await open();
    await wire.json({
      id: 1,
      do: "make process",
      name: "o2",
      args: ["/usr/bin/printf", "0123456789"],
    });
    await eventOf(served.kernel, ({ name, type }) => name === "o2" && type === "closed");
    for (const from of [0, 4, 10]) {
      await wire.json({
        id: 2,
        do: "watch processes",
        names: ["o2"],
        from: { out: from },
        follow: false,
      });
      if (from < 10) {
        const { output, data } = await piece(wire);
        assert.equal(output?.offset, from);
        assert.equal(data.toString(), "0123456789".slice(from));
      }
      assert.deepEqual((await wire.message())["ended"], { name: "o2", exitCode: 0 });
      assert.deepEqual(await wire.message(), { id: 2, done: true });
    }
  });

  test("output dropped by a full buffer is a gap with its size", async () => {
    const wire = await open();
    await wire.json({
      id: 1,
      do: "make process",
      name: "o3",
      bufsize: 4096,
      args: ["/bin/sh", "-c", "head -c 1000000 /dev/zero"],
      env: { PATH: process.env["PATH"] ?? "" },
    });
    await eventOf(served.kernel, ({ name, type }) => name === "o3" && type === "closed");
    await wire.json({ id: 2, do: "watch processes", names: ["o3"] });
    let read = 0;
    let gap = 0;
    for (;;) {
      const { output, data } = await piece(wire);
      if (output === undefined) break;
      read += data.length;
      gap += output.gap;
    }
    assert.equal(read + gap, 1_000_000);
    assert.ok(read >= 4096 && gap > 0, `${read} + ${gap}`);
  });

  test("a named reader continues where it acknowledged, and ack acknowledges an end", async () => {
    const wire = await open();
    await wire.json({ id: 1, do: "make process", name: "o4", args: ["/usr/bin/printf", "abcdef"] });
    await eventOf(served.kernel, ({ name, type }) => name === "o4" && type === "closed");
    const ack = { id: 2, do: "ack", name: "o4", reader: "shipper", position: { out: 4 } };
    assert.deepEqual(await wire.json(ack), { id: 2, ok: null });
    await wire.json({ ...ack, position: { out: 2 } });
    await wire.json({ id: 3, do: "watch processes", names: ["o4"], reader: "shipper" });
    const { output, data } = await piece(wire);
    assert.deepEqual([output?.offset, data.toString()], [4, "ef"]);
    await wire.until('"done":true}\n');
    await wire.json({ ...ack, position: { out: 6 } });
    assert.deepEqual(await wire.json({ id: 4, do: "ack", name: "o4", end: true }), {
      id: 4,
      ok: null,
    });
    assert.equal(codeOf(await wire.json({ id: 5, do: "ack", name: "o4" })), "NEWEL_E_NOT_FOUND");
  });

  test("one stream has several processes, unwatch ends it, and an id has one stream", async () => {
    const wire = await open();
    for (const name of ["m1", "m2"])
      await wire.json({
        id: 1,
        do: "make process",
        name,
        args: ["/bin/sh", "-c", `echo ${name}; exec sleep 60`],
      });
    await wire.json({ id: 7, do: "watch processes", names: ["m1", "m2"] });
    const names = new Set([(await piece(wire)).output?.name, (await piece(wire)).output?.name]);
    assert.deepEqual(names, new Set(["m1", "m2"]));
    const again = await wire.json({ id: 7, do: "watch processes", names: ["m1"] });
    assert.equal(codeOf(again), "NEWEL_E_BAD_REQUEST");
    assert.deepEqual(await wire.json({ id: 8, do: "unwatch", watch: 7 }), { id: 8, ok: null });
    for (const name of ["m1", "m2"])
      await wire.json({ id: 9, do: "signal", name, signal: "KILL", scope: "tree" });
    await eventOf(served.kernel, ({ name, type }) => name === "m2" && type === "closed");
    assert.equal(wire.unread, 0);
  });

  test("a process that is removed while it is watched ends the stream", async () => {
    const wire = await open();
    const control = await open();
    await wire.json({ id: 1, do: "make process", name: "o5", args: ["/bin/sleep", "60"] });
    await wire.json({ id: 2, do: "watch processes", names: ["o5"] });
    await control.json({ id: 1, do: "remove processes", names: ["o5"] });
    sendSignal(
      served.kernel.events.since(0).findLast(({ name }) => name === "o5")?.pid ?? 0,
      "SIGKILL",
    );
    assert.deepEqual((await wire.message())["ended"], { name: "o5", exitCode: -9 });
    assert.deepEqual(await wire.message(), { id: 2, done: true });
  });
});

describe("events", () => {
  test("events are numbered without a gap, and resumable from any kept number", async () => {
    const wire = await open();
    const since = served.kernel.events.last;
    await wire.json({ id: 1, do: "events", since });
    served.kernel.values.set("e1", "x");
    served.kernel.values.set("e1", undefined);
    const live = [await wire.message(), await wire.message()].map(({ event }) => event);
    assert.deepEqual(
      live.map((event) => (event as { seq: number; type: string }).seq),
      [since + 1, since + 2],
    );
    const again = await open();
    await again.json({ id: 1, do: "events", since });
    assert.deepEqual(
      [await again.message(), await again.message()].map(({ event }) => event),
      live,
    );
  });
});

describe("claims", () => {
  test("a claim is granted at once or later, with the holder's pid, and released with the connection", async () => {
    // Over TCP the operating system does not report the process.
    const { port = 0 } = served.server;
    const [first, second] = [await Wire.open(scope, { host: "127.0.0.1", port }), await open()];
    const claim = { do: "claim", name: "jc" };
    assert.deepEqual(await first.json({ id: 1, ...claim, pid: 1 }), {
      id: 1,
      ok: { name: "jc", epoch: 1 },
    });
    assert.equal(served.kernel.claims.list(["jc"])[0]?.holder.pid, 1);
    assert.deepEqual((await first.json({ id: 2, ...claim }))["ok"], { name: "jc", epoch: 1 });
    second.send(`${JSON.stringify({ id: 5, ...claim })}\n`);
    const refused = await second.json({ id: 6, ...claim });
    assert.equal(codeOf(refused), "NEWEL_E_BAD_REQUEST");
    first.socket.destroy();
    assert.deepEqual(await second.message(), { id: 5, ok: { name: "jc", epoch: 2 } });
    assert.deepEqual(await second.json({ id: 7, do: "release", name: "jc" }), { id: 7, ok: null });
    const none = await second.json({ id: 8, do: "release", name: "jc" });
    assert.equal(codeOf(none), "NEWEL_E_NOT_FOUND");
  });

  test("a wait can be given up, and a claim taken by force can be asked for again", async () => {
    const [first, second] = [await open(), await open()];
    const claim = { do: "claim", name: "jf" };
    await first.json({ id: 1, ...claim });
    second.send(`${JSON.stringify({ id: 2, ...claim })}\n`);
    await eventually(() => served.kernel.claims.list(["jf"])[0]?.waiting === 1, "the wait");
    second.send('{"id":3,"do":"release","name":"jf"}\n');
    assert.equal(codeOf(await second.message()), "NEWEL_E_CANCELLED");
    assert.deepEqual(await second.message(), { id: 3, ok: null });
    await second.json({ id: 4, do: "release", name: "jf", force: true });
    // The holder is notified, under the id of its request.
    assert.deepEqual(await first.message(), { id: 1, taken: "jf" });
    for (const id of [8, 9])
      assert.deepEqual((await first.json({ id, ...claim }))["ok"], { name: "jf", epoch: 3 });
  });
});
