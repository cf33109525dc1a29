import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { eventually } from "../../helpers/resources.ts";
import { HostileLines } from "./hostile-lines.ts";
import { fileScope, type Served, serveTestKernel, Wire } from "./wire.ts";

const scope = fileScope();
let served: Served;

before(async () => {
  served = await serveTestKernel(scope);
});
after(() => assert.deepEqual(served.logged, []));

const open = (): Promise<Wire> => Wire.open(scope, { path: served.home.kernelSocket });

describe("limits", () => {
  test("a text line of 1 MiB is read, a longer one refused with its limit, and the session continues", async () => {
    const wire = await open();
    const value = "x".repeat(1_048_576 - "set long ".length);
    assert.equal(await wire.ask(`set long ${value}`), "");
    assert.equal((await wire.ask("get long")).length, value.length);
    assert.equal(
      await wire.ask(`set long ${value}y`),
      "Error: A limit was exceeded: a line is at most 1048576 bytes.",
    );
    assert.equal((await wire.ask("get long")).length, value.length);
    await wire.ask("set long");
  });

  test("a JSON line of 8 MiB is read, a longer one refused", async () => {
    const wire = await open();
    const line = (length: number): string => {
      const head = '{"id":1,"do":"get","name":"';
      return `${head}${"x".repeat(length - head.length - 2)}"}\n`;
    };
    wire.send(line(8_388_608));
    assert.deepEqual(await wire.message(), { id: 1, ok: { value: null } });
    wire.send(line(8_388_609));
    const { id, error } = await wire.message();
    assert.equal(id, null);
    assert.equal((error as { code: string }).code, "NEWEL_E_LIMIT");
    assert.deepEqual((await wire.json({ id: 2, do: "get", name: "a" }))["id"], 2);
  });

  test("text that is not UTF-8, or has a NUL, is refused", async () => {
    const wire = await open();
    wire.send(Buffer.from([0x73, 0x65, 0x74, 0x20, 0xff, 0xfe, 0x0a]));
    await wire.expect("Error: The request is not valid: it is not UTF-8.\n> ");
    wire.send(
      Buffer.concat([Buffer.from('{"id":1,"do":"'), Buffer.from([0xff]), Buffer.from('"}\n')]),
    );
    assert.equal(((await wire.message())["error"] as { code: string }).code, "NEWEL_E_BAD_REQUEST");
    assert.match(await wire.ask("make process a /bin/echo a\0b"), /^Error: .*NUL/);
    assert.match(await wire.ask("set a\0b c"), /^Error: /);
  });

  test("a line without end holds no more than its limit, and its memory is released", async () => {
    const wire = await Wire.open(scope, { path: served.home.kernelSocket });
    for (let sent = 0; sent < 40; sent += 1) {
      wire.send(Buffer.alloc(262_144, "a"));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.match(await wire.until("\n> "), /^Error: A limit was exceeded/);
    assert.equal(wire.unread, 0);
    // The line ends here; the next command is a separate line.
    assert.equal(await wire.ask("\nget a"), "");
  });
});

describe("hostile clients", () => {
  test("30,000 random and mutated lines: every answer is valid, and the kernel continues", async () => {
    const lines = new HostileLines();
    served.kernel.processes.make({ name: "steady", args: ["/bin/sleep", "600"] });
    for (let connection = 0; connection < 30; connection += 1) {
      const wire = await open();
      wire.socket.resume();
      let bytes = 0;
      wire.socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
      for (let count = 0; count < 1_000; count += 1) {
        wire.send(lines.next());
        if (count % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      wire.socket.end();
      await eventually(() => wire.ended, "the end of a hostile connection");
      assert.ok(bytes > 0);
    }
    const wire = await open();
    assert.equal(await wire.ask("get nothing"), "");
    assert.deepEqual(served.logged, []);
    assert.equal(served.kernel.processes.list(["steady"])[0]?.running, true);
    assert.equal(served.kernel.claims.list().length, 0);
    await eventually(() => served.server.connections <= 8, "the connections to go");
  });

  test("with 1,000 idle connections, the next client is served", async () => {
    const idle = await Promise.all(Array.from({ length: 1_000 }, open));
    const wire = await open();
    assert.equal(await wire.ask("get nothing"), "");
    assert.ok(served.server.connections >= 1_001);
    for (const one of idle) one.socket.destroy();
    await eventually(() => served.server.connections < 100, "the idle ones to go");
  });
});
