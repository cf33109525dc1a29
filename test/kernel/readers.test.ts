import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { test, type TestContext } from "node:test";

import type { Home } from "../../src/base/home.ts";
import { packageVersion } from "../../src/base/version.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import { cleanUp, eventually } from "../helpers/resources.ts";
import { ended, startDaemon } from "./client/daemon.ts";
import { Wire } from "./session/wire.ts";

interface Piece {
  readonly output?: { readonly offset: number; readonly bytes: number };
  readonly ended?: { readonly exitCode: number | null };
  readonly done?: boolean;
  readonly error?: { readonly code: string };
}

/** The output that a named reader gets now, or the code of its refusal. */
async function read(wire: Wire, reader: string, name = "job"): Promise<string> {
  const request = { id: 1, do: "watch processes", names: [name], reader, follow: false };
  const { error } = (await wire.json(request)) as Piece;
  if (error !== undefined) return error.code;
  let text = "";
  for (;;) {
    const { output, done } = (await wire.message()) as Piece;
    if (output !== undefined) text += (await wire.take(output.bytes + 1)).toString().slice(0, -1);
    if (done === true) return text;
  }
}

async function acknowledge(wire: Wire, reader: string, out: number): Promise<void> {
  const request = { id: 2, do: "ack", name: "job", reader, position: { out } };
  assert.deepEqual(await wire.json(request), { id: 2, ok: null });
}

/** A process that printed `abcdef` and ended. */
async function printed(t: TestContext, home: Home): Promise<void> {
  const kernel = await connectKernel({ home });
  cleanUp(t, () => kernel.close());
  await kernel.processes.make({ name: "job", args: ["/bin/sh", "-c", "printf abcdef"] });
  await eventually(async () => (await kernel.processes.list("job"))[0]?.closed, "its end");
}

test("the acknowledged positions of readers are restored by the next kernel", async (t) => {
  const { home, child } = await startDaemon(t);
  await printed(t, home);
  const first = await Wire.open(t, { path: home.kernelSocket }, packageVersion());
  assert.equal(await read(first, "shipper"), "abcdef");
  await acknowledge(first, "shipper", 4);
  child.kill("SIGKILL");
  await ended(child);
  await startDaemon(t, { home });
  const second = await Wire.open(t, { path: home.kernelSocket }, packageVersion());
  assert.equal(await read(second, "shipper"), "ef");
  assert.equal(await read(second, "another"), "abcdef");
});

test("a named reader reads the rest of a process that left the list, also after a kill of the kernel, and then its files are removed", async (t) => {
  const { home, child } = await startDaemon(t);
  await printed(t, home);
  const wire = await Wire.open(t, { path: home.kernelSocket }, packageVersion());
  assert.equal(await read(wire, "shipper"), "abcdef");
  await acknowledge(wire, "shipper", 2);
  // The prompt acknowledges the end, so the process leaves the list.
  assert.deepEqual(await wire.json({ id: 3, do: "ack", name: "job", end: true }), {
    id: 3,
    ok: null,
  });
  assert.deepEqual(await wire.json({ id: 4, do: "list processes" }), { id: 4, ok: [] });
  assert.equal(await read(wire, "shipper"), "cdef");
  child.kill("SIGKILL");
  await ended(child);
  await startDaemon(t, { home });
  const next = await Wire.open(t, { path: home.kernelSocket }, packageVersion());
  assert.deepEqual(await next.json({ id: 5, do: "list processes" }), { id: 5, ok: [] });
  assert.equal(await read(next, "shipper"), "cdef");
  await acknowledge(next, "shipper", 6);
  assert.equal(await read(next, "shipper"), "NEWEL_E_NOT_FOUND");
  const spools = (): string[] =>
    existsSync(home.spoolDirectory) ? readdirSync(home.spoolDirectory) : [];
  await eventually(() => spools().length === 0, "its files are gone");
});

test("without a slow reader, the output of a process is removed when it leaves the list", async (t) => {
  const { home } = await startDaemon(t);
  await printed(t, home);
  const wire = await Wire.open(t, { path: home.kernelSocket }, packageVersion());
  assert.equal(await read(wire, "shipper"), "abcdef");
  await acknowledge(wire, "shipper", 6);
  await wire.json({ id: 3, do: "remove processes", names: ["job"] });
  assert.equal(await read(wire, "shipper"), "NEWEL_E_NOT_FOUND");
  await eventually(() => readdirSync(home.spoolDirectory).length === 0, "its files are gone");
});
