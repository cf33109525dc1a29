import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";

import { Worker } from "bullmq";

import { hasCode } from "../../../src/base/errors.ts";
import type { EnqueueRequest, RunEvent } from "../../../src/jobs/api.ts";
import { readAuthKey, readRemoteUrl } from "../../../src/jobs/remote/address.ts";
import { RemoteAccess } from "../../../src/jobs/remote/client.ts";
import { listenForJobs } from "../../../src/jobs/remote/listener.ts";
import { createSqliteBackend } from "../../../src/jobs/sqlite/factory.ts";
import { openStore } from "../../../src/jobs/store/open.ts";
import type { StoreAccess } from "../../../src/jobs/store/access.ts";
import type { TcpServer } from "../../../src/wire/tcp.ts";
import { cleanUp, eventually, type Scope, temporaryDirectory } from "../../helpers/resources.ts";

const DAY_MS = 86_400_000;
const PAYLOAD_BYTES = 100_000;

function request(input: unknown, more: Partial<EnqueueRequest> = {}): EnqueueRequest {
  return {
    name: "import",
    queue: "imports",
    input,
    delayMs: 0,
    attempts: 1,
    backoff: { minMs: 1, maxMs: 1 },
    keep: { done: { ageMs: DAY_MS }, failed: { ageMs: DAY_MS } },
    ...more,
  };
}

interface World {
  readonly url: string;
  readonly store: StoreAccess;
  readonly jobs: RemoteAccess;
  readonly port: number;
  readonly refused: readonly Error[];
  /** The server ends; the result starts another at the same port. */
  readonly stop: () => Promise<() => Promise<void>>;
}

async function open(t: Scope): Promise<World> {
  const url = `sqlite:${join(temporaryDirectory(t), "jobs.db")}`;
  const store = await openStore(url);
  cleanUp(t, () => store.close());
  const refused: Error[] = [];
  const listenAt = (at: number): Promise<TcpServer> =>
    listenForJobs({ host: "127.0.0.1", port: at, authKey: "a good secret" }, store, {
      knows: (name) => name === "import",
      payloadBytes: PAYLOAD_BYTES,
      onRefused: (error) => void refused.push(error),
    });
  let server = await listenAt(0);
  cleanUp(t, () => server.close(0));
  const { port } = server;
  const jobs = new RemoteAccess({ host: "127.0.0.1", port, authKey: "a good secret" });
  cleanUp(t, () => jobs.close());
  const stop: World["stop"] = async () => {
    await server.close(0);
    return async () => {
      server = await listenAt(port);
    };
  };
  return { url, store, jobs, port, refused, stop };
}

test("a run is enqueued, found, listed and cancelled through a job server", async (t) => {
  const { store, jobs } = await open(t);
  const run = await jobs.enqueue(request({ file: "a.csv" }, { by: "anna" }));
  assert.equal(run.state, "waiting");
  assert.deepEqual(await store.get(run.id), await jobs.get(run.id));
  assert.equal(await jobs.get(run.id, { by: "bob" }), undefined, "another's run");
  assert.deepEqual(
    (await jobs.list({ by: "anna" })).runs.map(({ id }) => id),
    [run.id],
  );
  assert.equal(await jobs.cancel(run.id, { by: "bob" }), undefined);
  assert.equal((await jobs.cancel(run.id, { by: "anna" }))?.state, "cancelled");
  assert.equal((await jobs.retry(run.id))?.state, "waiting");
  assert.equal(await jobs.drain("imports"), 1);
  assert.deepEqual(await jobs.logs(run.id), []);
  assert.equal(await jobs.get("imports~nothing"), undefined);
  await assert.rejects(jobs.get(run.id, { by: undefined } as never), code("NEWEL_E_JOB_BY"));
});

test("queues are paused, counted and scheduled through a job server", async (t) => {
  const { store, jobs } = await open(t);
  await jobs.enqueue(request(1));
  await jobs.pause("imports");
  const [stats] = await jobs.stats();
  assert.equal(stats?.paused, true);
  await jobs.resume("imports");
  const run = request("nightly");
  const made = await jobs.schedule({ id: "nightly", cron: "0 3 * * *", run });
  assert.deepEqual(await jobs.schedules(), await store.schedules());
  assert.equal(made.cron, "0 3 * * *");
  assert.equal(await jobs.unschedule("imports", "nightly"), true);
  const tree = await jobs.flow({ run: request("parent"), children: [{ run, children: [] }] });
  assert.equal(tree.children.length, 1);
  await jobs.drain("imports");
});

test("a restart of the server only delays a caller, and a run is enqueued once", async (t) => {
  const { store, jobs, stop } = await open(t);
  const calls = Array.from({ length: 200 }, async (_, index) => {
    await new Promise((resolve) => setTimeout(resolve, index * 5));
    return jobs.enqueue(request({ index }));
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const again = await stop();
  await new Promise((resolve) => setTimeout(resolve, 300));
  await again();
  const runs = await Promise.all(calls);
  assert.equal(new Set(runs.map(({ id }) => id)).size, 200);
  const found = await store.list({ queue: "imports", active: true, limit: 1_000 });
  assert.equal(found.runs.length, 200);
  assert.equal(await jobs.drain("imports"), 200);
});

test("events come once each, in order, over a restart of the server", async (t) => {
  const { url, jobs, stop } = await open(t);
  const go = Promise.withResolvers<void>();
  const run = await jobs.enqueue(request("slow"));
  const seen: RunEvent[] = [];
  const read = (async () => {
    for await (const event of jobs.events(run.id)) seen.push(event);
  })();
  await eventually(() => seen.length > 0, "the state comes first");
  const worker = new Worker(
    "imports",
    async (job) => {
      for (let done = 1; done <= 20; done += 1) {
        await job.updateProgress({ done, total: 20 });
        if (done === 10) await go.promise;
      }
      return "ready";
    },
    { connection: url } as never,
    createSqliteBackend as never,
  );
  cleanUp(t, () => worker.close());
  await eventually(() => seen.some(({ progress }) => progress?.done === 10), "the first half");
  const again = await stop();
  go.resolve();
  await new Promise((resolve) => setTimeout(resolve, 200));
  await again();
  await read;
  const ids = seen.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  const steps = seen.flatMap(({ progress, type }) =>
    type === "progress" && progress !== undefined ? [progress.done] : [],
  );
  assert.deepEqual(
    steps,
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
  assert.equal(seen.at(-1)?.state, "done");
  assert.equal(seen.at(-1)?.result, "ready");
});

test("a wrong auth key, an unknown job, too much and nonsense are refused with a code", async (t) => {
  const { jobs, port, refused } = await open(t);
  await jobs.enqueue(request(1));
  const stranger = new RemoteAccess({ host: "127.0.0.1", port, authKey: "another" });
  await assert.rejects(stranger.stats(), code("NEWEL_E_SECRET"));
  await stranger.close();
  await eventually(() => refused.some((error) => hasCode(error, "NEWEL_E_SECRET")), "it is told");
  await assert.rejects(
    jobs.enqueue(request(1, { name: "unheard-of" })),
    code("NEWEL_E_JOB_UNKNOWN"),
  );
  await assert.rejects(
    jobs.enqueue(request("x".repeat(PAYLOAD_BYTES))),
    code("NEWEL_E_JOB_PAYLOAD"),
  );
  await assert.rejects(jobs.enqueue(request("x".repeat(100_000_000))), code("NEWEL_E_LIMIT"));
  await assert.rejects(
    jobs.enqueue(request(1, { attempts: -1 })),
    /attempts/,
    "the field is named",
  );
  await assert.rejects(jobs.pause("../etc"), code("NEWEL_E_JOB_REQUEST"));
  assert.equal((await jobs.stats()).length > 0, true, "it goes on");
});

test("hostile bytes do not disturb the job server", async (t) => {
  const { jobs, port } = await open(t);
  await jobs.enqueue(request(1));
  for (let count = 0; count < 50; count += 1) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => socket.destroy());
    socket.resume();
    socket.end(randomBytes(1 + count * 40));
    await new Promise((resolve) => socket.once("close", resolve));
  }
  const plain = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await new Promise((resolve) => plain.once("error", resolve));
  assert.equal((await jobs.stats()).length > 0, true);
});

test("a host, port or auth key that is missing is named, and a blank host is loopback", (t) => {
  const authKey = "k";
  assert.deepEqual(readRemoteUrl("jobs://db.internal:5667", { authKey }), {
    host: "db.internal",
    port: 5_667,
    authKey,
  });
  assert.equal(readRemoteUrl("jobs://:5667", { authKey }).host, "127.0.0.1");
  assert.throws(() => readRemoteUrl("jobs://db.internal", { authKey }), setting("port"));
  assert.throws(() => readRemoteUrl("jobs://db.internal:5667", {}), setting("auth key"));
  assert.throws(() => readRemoteUrl("jobs://a:b@db.internal:5667", { authKey }), setting("store"));
  const file = join(temporaryDirectory(t), "key");
  assert.throws(() => readAuthKey({ authKeyFile: file }), setting("auth key"));
  writeFileSync(file, "\n");
  assert.throws(() => readAuthKey({ authKeyFile: file }), setting("auth key"));
  writeFileSync(file, "from a file\n");
  assert.equal(readAuthKey({ authKeyFile: file }), "from a file");
});

function code(wanted: Parameters<typeof hasCode>[1]) {
  return (error: unknown): boolean => {
    assert.ok(hasCode(error, wanted), String(error));
    return true;
  };
}

function setting(name: string) {
  return (error: unknown): boolean =>
    hasCode(error, "NEWEL_E_JOBS_SETTING") &&
    error instanceof Error &&
    error.message.includes(name);
}
