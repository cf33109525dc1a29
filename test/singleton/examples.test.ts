import assert from "node:assert/strict";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { homeAt } from "../../src/base/home.ts";
import { listOwners } from "../../src/singleton/owners.ts";
import { eventually, freePort, startProcess, temporaryDirectory } from "../helpers/resources.ts";
import { SupervisedApp } from "../helpers/supervised.ts";
import { runProgram } from "./command-line.ts";

const example = (name: string): string =>
  fileURLToPath(new URL(`../../examples/${name}.ts`, import.meta.url));

test("the counter: one in the background, ten that count", async (t) => {
  const home = temporaryDirectory(t);
  const counter = example("counter/counter");
  const env = { ...process.env, NEWEL_HOME: home };
  const first = startProcess(t, process.execPath, [counter], { env });
  await once(createInterface({ input: first.stdout as Readable }), "line");
  for (let number = 101; number <= 110; number += 1) {
    const { code, stdout, stderr } = await runProgram(counter, [], env);
    assert.deepEqual([code, stdout, stderr], [0, `${number}\n`, ""]);
  }
  first.kill("SIGTERM");
  await once(first, "exit");
});

interface Handed {
  readonly handedOverBy: number;
  readonly to: number;
}

/** Submits work until four processes have done so; all of it goes to one worker. */
async function handOver(port: number): Promise<ReadonlySet<number>> {
  const url = `http://127.0.0.1:${port}`;
  const workers = new Set<number>();
  const servers = new Set<number>();
  let handed = 0;
  await eventually(async () => {
    const answers = Array.from({ length: 16 }, async () => {
      const response = await fetch(`${url}/work-for/1`, { headers: { connection: "close" } });
      return (await response.json()) as Handed;
    });
    for (const { handedOverBy, to } of await Promise.all(answers)) {
      handed += 1;
      servers.add(handedOverBy);
      workers.add(to);
    }
    return servers.size === 4;
  }, "four processes handed work over");
  assert.equal(workers.size, 1);
  await eventually(async () => {
    const { done } = (await (await fetch(`${url}/done`)).json()) as { done: number };
    return done === handed;
  }, "all work is done");
  return workers;
}

test("four workers of node:cluster submit their work to one sequential worker", async (t) => {
  const home = temporaryDirectory(t);
  const port = await freePort();
  const env = { ...process.env, NEWEL_HOME: home, PORT: String(port) };
  const primary = startProcess(t, process.execPath, [example("sequential-worker/cluster")], {
    env,
  });
  await eventually(() => isServing(port), "it listens");
  await handOver(port);
  primary.kill("SIGTERM");
  await eventually(async () => (await listOwners(homeAt(home))).length === 0, "nobody owns it");
});

test("four replicas under newel do so too, even across a reload", async (t) => {
  const home = temporaryDirectory(t);
  const app = new SupervisedApp(t);
  const port = await freePort();
  const web = {
    node: example("sequential-worker/server"),
    listen: `127.0.0.1:${port}`,
    replicas: 4,
    env: { NEWEL_HOME: home, PORT: String(port) },
    ready: { stable: "100ms" },
  };
  assert.ok((await app.up({ services: { web } })).ok);
  const [first] = await handOver(port);
  const [before] = await listOwners(homeAt(home));
  assert.equal(before?.pid, first);
  assert.ok((await app.verb("reload", "web")).ok);
  await eventually(() => isServing(port), "it serves");
  const owner = await eventually(async () => {
    const [now] = await listOwners(homeAt(home));
    return now !== undefined && now.pid !== first && now;
  }, "a new process owns it");
  assert.ok(owner.epoch > 1);
});

async function isServing(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/done`)).ok;
  } catch {
    // Not yet.
    return false;
  }
}
