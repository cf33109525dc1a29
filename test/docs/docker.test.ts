// The CMD of docs/guide/docker.md runs as PID 1 of a PID namespace, which stands in for a container.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { collect, World } from "../cli/world.ts";
import { eventually, freePort, startProcess } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { blocksOf, ROOT } from "./pages.ts";

const MAIN = join(ROOT, "src/cli/main.ts");
const NAMESPACE = ["--pid", "--fork", "--mount-proc", "--kill-child"];
const ORPHANS = 5;

const SERVER = `
require("node:http").createServer((_, response) => response.end("hello")).listen(PORT, () => console.log("listening"));
process.on("SIGTERM", () => { console.log("bye"); process.exit(); });
`;
/** Leaves processes behind whose parent has ended, and ends only by the stop signal. */
const WORKER = `for n in $(seq ${ORPHANS}); do (setsid sleep 1.$n &); done; echo left; exec sleep 600`;

const withoutNamespaces =
  spawnSync("unshare", [...NAMESPACE, "true"]).status === 0
    ? false
    : "needs the right to make a PID namespace: run `sudo npm test`";

/** A file of a process in /proc; empty when the process has ended. */
function readProc(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return "";
  }
}

function readStatus(pid: number, field: string): string | undefined {
  return new RegExp(`^${field}:\\s+(.*)$`, "m").exec(readProc(pid, "status"))?.[1];
}

function argumentsOf(pid: number): string {
  return readProc(pid, "cmdline").replaceAll("\0", " ");
}

function childrenOf(parent: number): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => readStatus(pid, "PPid") === String(parent));
}

function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)];
}

const blocks = blocksOf("docs/guide/docker.md");

function commandOf(dockerfile: string): string[] {
  const [, list = ""] = /^CMD (\[.+\])$/m.exec(dockerfile) ?? [];
  return JSON.parse(list) as string[];
}

test("as PID 1 the CMD serves, reaps and ends", { skip: withoutNamespaces }, async (t) => {
  const world = new World(t);
  const port = await freePort();
  mkdirSync(join(world.directory, "node_modules/.bin"), { recursive: true });
  const newel = join(world.directory, "node_modules/.bin/newel");
  writeFileSync(newel, `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  chmodSync(newel, 0o755);
  const config = blocks.find(({ file }) => file === "newel.config.ts")?.code ?? "";
  assert.match(config, /listen: 3000/);
  world.write(
    "newel.config.ts",
    config
      .replace(/^import .*$/m, "const defineConfig = (config) => config;")
      .replace("3000", String(port)),
  );
  world.write("server.js", SERVER.replace("PORT", String(port)));
  world.write("package.json", JSON.stringify({ scripts: { worker: WORKER } }));
  const command = commandOf(blocks.find(({ file }) => file === "Dockerfile")?.code ?? "");
  const container = startProcess(t, "unshare", [...NAMESPACE, ...command], {
    cwd: world.directory,
    env: world.environment,
  });
  const [output, errors] = [collect(container.stdout), collect(container.stderr)];
  const all = (): string => output() + errors();
  await eventually(() => /listening/.test(all()) && /left/.test(all()), "its output", 60_000);
  const answer = await fetch(`http://127.0.0.1:${port}`, { headers: { connection: "close" } });
  assert.equal(await answer.text(), "hello");

  const [first] = childrenOf(container.pid ?? 0);
  assert.ok(first !== undefined && readStatus(first, "NSpid")?.endsWith("\t1"), "it is PID 1");
  const orphans = (): boolean => treeOf(first).some((pid) => /^sleep 1\.\d/.test(argumentsOf(pid)));
  await eventually(() => !orphans(), "the orphans end", 30_000);
  const zombies = (): boolean =>
    treeOf(first).some((pid) => readStatus(pid, "State")?.startsWith("Z"));
  await eventually(() => !zombies(), "they are reaped");

  const ended = once(container, "exit");
  sendSignal(first, "SIGTERM");
  assert.deepEqual(await ended, [0, null], all());
  assert.match(all(), /bye/);
});
