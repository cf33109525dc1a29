import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import {
  eventually,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../../helpers/resources.ts";
import { holdSocket, startReplica } from "../../register/replica.ts";
import { get, type Received } from "./browser.ts";

const SITE = fileURLToPath(new URL("fixtures/site.ts", import.meta.url));
/** A drain that waits for the streams takes this long; any other one ends much earlier, also on a busy machine. */
const GRACE_MS = 240_000;

function jobsFile(scope: Scope): string {
  return join(temporaryDirectory(scope), "jobs.db");
}

/** Opens both kinds of stream and waits until they have sent the state. */
async function openStreams(base: string): Promise<Promise<Received>[]> {
  let told = 0;
  const count = (text: string): boolean => {
    if (text.includes('"state":"waiting"')) told += 1;
    return false;
  };
  const streams = ["/node", "/web"].map((path) => get(base + path, {}, count));
  await eventually(() => told >= 2, "both tell the state");
  return streams;
}

function assertEnded(received: Received): void {
  assert.equal(received.status, 200);
  assert.match(received.text, /^retry: \d+\n\nid: .*\ndata: .*\n\n$/);
  assert.equal(received.events.length, 1);
}

test("open streams do not hold up a rolling reload", async (scope) => {
  const socket = await holdSocket(scope);
  const replica = startReplica(scope, SITE, [socket], {
    graceMs: GRACE_MS,
    lingerMs: 200,
    env: { SITE_FILE: jobsFile(scope) },
  });
  await replica.ready;
  const streams = await openStreams(`http://127.0.0.1:${socket.port}`);
  const startedMs = performance.now();
  assert.equal(await replica.stop(), 0);
  assert.ok(performance.now() - startedMs < GRACE_MS / 2);
  for (const received of await Promise.all(streams)) assertEnded(received);
  assert.equal(replica.output().replace(/^http.*\n/, ""), "");
});

test("open streams do not hold up the stop of a bus", async (scope) => {
  const child = startProcess(scope, process.execPath, [SITE], {
    env: { ...process.env, SITE_FILE: jobsFile(scope), SITE_BUS_GRACE_MS: String(GRACE_MS) },
  });
  let printed = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (printed += text));
  const base = await eventually(() => /http:\S+/.exec(printed)?.[0], "it listens");
  const streams = await openStreams(base);
  const startedMs = performance.now();
  child.kill("SIGTERM");
  await once(child, "exit");
  assert.ok(performance.now() - startedMs < GRACE_MS / 2);
  for (const received of await Promise.all(streams)) assertEnded(received);
});
