// The program of docs/guide/kubernetes.md answers its probe as the page says, and the manifest fits the program.
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { collect } from "../cli/world.ts";
import { eventually, freePort, startProcess, temporaryDirectory } from "../helpers/resources.ts";
import { blocksOf, ROOT } from "./pages.ts";

const blocks = blocksOf("docs/guide/kubernetes.md");
const code = (name: string): string => blocks.find(({ file }) => file === name)?.code ?? "";

test("the probe gets 200, then 503 during the delay, while requests are answered", async (t) => {
  const port = String(await freePort());
  const file = join(temporaryDirectory(t), "server.ts");
  writeFileSync(
    file,
    code("server.ts")
      .replace('"newel/bus"', JSON.stringify(join(ROOT, "src/bus/index.ts")))
      .replace("3000", port)
      .replace("closeDelayMs: 10_000", "closeDelayMs: 4_000"),
  );
  const child = startProcess(t, process.execPath, [file]);
  const output = [collect(child.stdout), collect(child.stderr)];
  const ask = async (path: string): Promise<Response | undefined> =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: "close" } }).catch(
      () => undefined,
    );
  const statusOf = async (): Promise<number | undefined> => (await ask("/readyz"))?.status;
  await eventually(async () => (await statusOf()) === 200, "it is ready", 60_000);
  const closed = once(child, "close");
  child.kill("SIGTERM");
  // The answers are asked for at once: the delay begins with the first 503.
  const seen = await eventually(async () => {
    const [probe, request] = await Promise.all([ask("/readyz"), ask("/")]);
    return probe?.status === 503 ? [probe.status, await request?.text()] : undefined;
  }, "the probe fails");
  assert.deepEqual(seen, [503, "hello\n"]);
  assert.deepEqual(await closed, [0, null], output.map((read) => read()).join(""));
});

test("the manifest asks for the path and port of the program, and waits longer than it", () => {
  const [program, manifest] = [code("server.ts"), code("deployment.yaml")];
  const number = (name: string): number =>
    Number(new RegExp(`${name}: ([\\d_]+)`).exec(program + manifest)?.[1]?.replaceAll("_", ""));
  const [, path] = /readinessPath: "(.+)"/.exec(program) ?? [];
  const probes = manifest.match(/httpGet: .*/g);
  const asked = `httpGet: { path: ${path}, port: ${number("port")} }`;
  assert.deepEqual(probes, [asked, asked]);
  const longest = number("closeDelayMs") + number("graceMs");
  assert.ok(number("deadlineMs") > longest);
  assert.ok(number("terminationGracePeriodSeconds") * 1000 > number("deadlineMs"));
});
