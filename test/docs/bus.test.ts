// The first two blocks of the bus guide run as printed but for the port. (The third is examples/bank-broker.)
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { collect } from "../cli/world.ts";
import { eventually, freePort, startProcess, temporaryDirectory } from "../helpers/resources.ts";
import { blocksOf, ROOT } from "./pages.ts";

const [server = "", channels = ""] = blocksOf("docs/guide/bus.md").map(({ code }) =>
  code.replaceAll('"newel/bus"', JSON.stringify(join(ROOT, "src/bus/index.ts"))),
);

/** Code that the first block leaves to the reader. */
const DATABASE = `
const database = {
  connect: async () => console.log("connected"),
  close: async () => console.log("closed"),
};
`;

test("the first block serves, connects first, closes last, and ends with 0 on SIGTERM", async (t) => {
  const port = String(await freePort());
  const file = join(temporaryDirectory(t), "server.ts");
  writeFileSync(file, DATABASE + server.replace("3000", port));
  const child = startProcess(t, process.execPath, [file]);
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const ask = async (): Promise<string | undefined> =>
    fetch(`http://127.0.0.1:${port}`, { headers: { connection: "close" } }).then(
      (response) => response.text(),
      () => undefined,
    );
  assert.equal(await eventually(ask, "the server answers", 60_000), "hello\n");
  const closed = once(child, "close");
  child.kill("SIGTERM");
  assert.deepEqual(await closed, [0, null], stderr());
  assert.match(stdout() + stderr(), /connected\n[^]*closed\n/);
});

test("the block about channels gives the results that it shows", async (t) => {
  const file = join(temporaryDirectory(t), "bank.ts");
  const bus = /^import \{ Bus.*$/m.exec(server)?.[0] ?? "";
  writeFileSync(file, `${bus}\n${channels}\nconsole.log(results);\n`);
  const child = startProcess(t, process.execPath, [file]);
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  assert.deepEqual(await once(child, "close"), [0, null], stderr());
  assert.deepEqual([stdout(), stderr()], ["[ 'bought NEWL' ]\n", ""]);
});
