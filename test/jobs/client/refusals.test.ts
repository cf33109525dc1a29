import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import * as v from "valibot";

import { Jobs, job } from "../../../src/jobs/index.ts";
import { smallFileSystem } from "../../helpers/small-file-system.ts";
import { freePort, temporaryDirectory } from "../../helpers/resources.ts";
import { contacts, plain } from "./definitions.ts";
import { openJobs } from "./world.ts";

const store = {
  skip: false as const,
  fresh: async (scope: Parameters<typeof temporaryDirectory>[0]) =>
    `sqlite:${join(temporaryDirectory(scope), "jobs.db")}`,
};

function never(): never {
  throw new Error("never called");
}

test("the error of an invalid option names it, its value and a valid value", () => {
  const wrong: [object, RegExp][] = [
    [{ retries: -1 }, /The option retries of the job wrong is -1/],
    [{ retries: 1.5 }, /retries .* is 1.5/],
    [{ backoff: "soon" }, /backoff .* is "soon"/],
    [{ backoff: { min: "10s", max: "1s" } }, /backoff\.max .* is "1s"/],
    [{ queue: "my queue" }, /queue .* is "my queue"/],
    [{ queue: "newel-cancel" }, /queue .* is "newel-cancel"/],
    [{ concurrency: 0 }, /concurrency .* is 0/],
    [{ groupConcurrency: "2" }, /groupConcurrency .* is "2"/],
    [{ key: "id" }, /key .* is "id"/],
    [{ group: {} }, /group .* is \{\}/],
    [{ priority: 0 }, /priority .* is 0/],
    [{ timeout: 0 }, /timeout .* is 0/],
    [{ timeout: "40d" }, /timeout .* is "40d"/],
    [{ memory: "much" }, /memory .* is "much"/],
    [{ grace: -1 }, /grace .* is -1/],
    [{ share: 0 }, /share .* is 0/],
    [{ keep: "1d" }, /keep .* is "1d"/],
    [{ keep: { done: "later" } }, /keep\.done .* is "later"/],
    [{ input: { parse: never } }, /input .* is \{\}/],
    [{ retrys: 3 }, /option retrys/],
    [{ backoff: { min: "1s", maximum: "5s" } }, /option maximum of backoff of the job wrong/],
    [{ keep: { completed: "1h" } }, /option completed of keep of the job wrong/],
  ];
  for (const [options, message] of wrong) {
    assert.throws(
      () => job("wrong", options as never, never),
      (error: Error & { code?: string; fix?: string }) => {
        assert.equal(error.code, "NEWEL_E_JOB_OPTION", JSON.stringify(options));
        assert.match(error.message, message);
        assert.match(error.fix ?? "", /^Use .{3,}/);
        return true;
      },
    );
  }
  assert.throws(() => job("retrys", { retrys: 3 } as never, never), { fix: /"retries"/ });
  for (const name of ["", "a b", "newel-x", "x".repeat(101)])
    assert.throws(() => job(name, {}, never), { code: "NEWEL_E_JOB_OPTION" }, name);
  assert.throws(() => job("none", {}, undefined as never), { code: "NEWEL_E_JOB_OPTION" });
  assert.throws(() => job("none", null as never, never), { code: "NEWEL_E_JOB_OPTION" });
});

test("options are parsed into the values that servers and stores use", () => {
  const { options } = job(
    "read",
    {
      retries: 0,
      backoff: { min: "2s", max: "10m" },
      concurrency: 2,
      timeout: "1h",
      memory: "512MB",
      grace: 0,
      share: 10,
      keep: { done: "1h" },
    },
    never,
  );
  assert.deepEqual(options, {
    queue: "read",
    attempts: 1,
    backoff: { minMs: 2_000, maxMs: 600_000 },
    keep: { done: { ageMs: 3_600_000 }, failed: { ageMs: 30 * 86_400_000 } },
    concurrency: 2,
    timeoutMs: 3_600_000,
    memoryBytes: 512_000_000,
    graceMs: 0,
    share: 10,
  });
  assert.equal(job("defaults", {}, never).options.queue, "default");
  assert.deepEqual(job("slow", { backoff: "5m" }, never).options.backoff, {
    minMs: 300_000,
    maxMs: 300_000,
  });
});

test("an input that does not fit its schema is refused with every path", async (t) => {
  const jobs = await openJobs(t, store);
  await assert.rejects(jobs.enqueue(contacts, { file: "", rows: "x" } as never), {
    code: "NEWEL_E_JOB_INPUT",
    message: /contacts.*file: .*length.*; rows: .*number/s,
  });
  await assert.rejects(jobs.enqueue(contacts, undefined as never), { code: "NEWEL_E_JOB_INPUT" });
  // JSON turns the date into a text: the call fails, not the first attempt.
  const dated = job("dated", { input: v.object({ at: v.date() }) }, never);
  await assert.rejects(jobs.enqueue(dated, { at: new Date() }), { message: /at: .*Date/ });
  const many = job("many", { input: v.array(v.number()) }, never);
  await assert.rejects(jobs.enqueue(many, Array.from({ length: 20 }, () => "x") as never), {
    message: /and 15 more/,
  });
  assert.deepEqual((await jobs.list()).runs, []);
});

test("an input that JSON cannot represent is refused, not changed silently", async (t) => {
  const jobs = await openJobs(t, store);
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  const getter = {
    get broken(): never {
      throw new Error("read failed");
    },
  };
  const wrong: unknown[] = [
    cycle,
    getter,
    { a: 1n },
    { a: never },
    { a: Symbol("s") },
    [Number.NaN],
    { a: Infinity },
    new Map([[1, 2]]),
    { a: new Set() },
    { a: Promise.resolve(1) },
    [new TypeError("x")],
    /x/,
    Buffer.from("x"),
    { file: new Uint8Array(10) },
    new ArrayBuffer(3),
    { file: new Blob(["x"]) },
    new Date(Number.NaN),
    new Headers({ a: "b" }),
    new URLSearchParams("a=b"),
    new FormData(),
    new WeakMap(),
    [1, 2].values(),
    new AbortController(),
  ];
  for (const input of wrong)
    await assert.rejects(jobs.enqueue(plain, input), { code: "NEWEL_E_JOB_VALUE" });
  assert.deepEqual((await jobs.list()).runs, []);
  const fine = { at: new Date(0), no: undefined, deep: [null, true, "ü", { a: -1.5 }] };
  const { input } = await jobs.enqueue(plain, fine);
  assert.deepEqual(input, JSON.parse(JSON.stringify(fine)));
  assert.equal((await jobs.enqueue(plain)).input, null);
});

test("a payload of 100 MB is refused before it is written whole", async (t) => {
  const jobs = await openJobs(t, store);
  const piece = "x".repeat(1_000_000);
  let read = 0;
  const huge = Array.from({ length: 100 }, () => ({
    get piece(): string {
      read += 1;
      return piece;
    },
  }));
  await assert.rejects(jobs.enqueue(plain, huge), {
    code: "NEWEL_E_JOB_PAYLOAD",
    message: /larger than 1MB/,
  });
  assert.ok(read <= 3, `${read} pieces were read`);
  await assert.rejects(jobs.enqueue(plain, "ü".repeat(600_000)), { code: "NEWEL_E_JOB_PAYLOAD" });
  assert.equal((await jobs.enqueue(plain, "x".repeat(999_000))).state, "waiting");
  const small = new Jobs({ store: jobs.store, payload: "1kB" });
  await assert.rejects(small.enqueue(plain, "x".repeat(2_000)), { code: "NEWEL_E_JOB_PAYLOAD" });
  await small.close();
  assert.throws(() => new Jobs({ payload: "much" }), { code: "NEWEL_E_JOB_OPTION" });
});

test("options of a run that cannot be used are refused", async (t) => {
  const jobs = await openJobs(t, store);
  const wrong = [
    { delay: "soon" },
    { delay: -1 },
    { delay: new Date(Number.NaN) },
    { priority: 0 },
    { priority: 3_000_000 },
    { key: "" },
    { key: 7 },
    { group: "x".repeat(501) },
    { delays: "1h" },
    null,
    "1h",
  ];
  for (const options of wrong)
    await assert.rejects(
      jobs.enqueue(plain, 1, options as never),
      { code: "NEWEL_E_JOB_OPTION" },
      JSON.stringify(options),
    );
});

test("a misspelt or unusable option of a call is refused, and never means all runs", async (t) => {
  const jobs = await openJobs(t, store);
  const run = await jobs.enqueue(plain, 1, { by: "ann" });
  const wrong = { owner: "bob" } as never;
  const calls: readonly (readonly [string, () => unknown])[] = [
    ["get", () => jobs.get(run.id, wrong)],
    ["cancel", () => jobs.cancel(run.id, wrong)],
    ["retry", () => jobs.retry(run.id, wrong)],
    ["logs", () => jobs.logs(run.id, wrong)],
    ["events", () => jobs.events(run.id, wrong)[Symbol.asyncIterator]().next()],
    ["drain", () => jobs.drain("default", { delay: true } as never)],
    ["schedule", () => jobs.schedule(plain, "s", { every: "1h", timezone: "UTC" } as never)],
    ["no times", () => jobs.schedule(plain, "s", null as never)],
    ...[
      wrong,
      null,
      "ann",
      { cursor: 5 },
      { name: 5 },
      { error: /x/ },
      { active: "yes" },
      { states: "done" },
      { sinceMs: Number.NaN },
      { sinceMs: new Date() },
    ].map((filter) => ["list", () => jobs.list(filter as never)] as const),
  ];
  for (const [what, call] of calls)
    await assert.rejects(async () => call(), { code: "NEWEL_E_JOB_OPTION" }, what);
  assert.equal((await jobs.get(run.id, { by: "ann" }))?.state, "waiting");
  assert.throws(() => new Jobs({ stor: "sqlite:x.db" } as never), { code: "NEWEL_E_JOB_OPTION" });
});

test("the error of an unusable store names the reason without the password", async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, "file");
  writeFileSync(file, "no database at all, whatever its name says");
  mkdirSync(join(directory, "folder"));
  const port = await freePort();
  const wrong: [string, string][] = [
    ["mysql://root:secret@host/db", "NEWEL_E_JOBS_STORE"],
    ["./data/jobs.db", "NEWEL_E_JOBS_STORE"],
    ["redis://[", "NEWEL_E_JOBS_STORE"],
    ["sqlite:", "NEWEL_E_JOBS_CONNECTION"],
    [`sqlite:${directory}/folder`, "NEWEL_E_JOBS_FILE"],
    [`sqlite:${file}/sub/jobs.db`, "NEWEL_E_JOBS_FILE"],
    [`sqlite:${file}`, "NEWEL_E_JOBS_DAMAGED"],
    [`redis://:secret@127.0.0.1:${port}`, "NEWEL_E_JOBS_UNREACHABLE"],
    [`postgres://me:secret@127.0.0.1:${port}/db`, "NEWEL_E_JOBS_UNREACHABLE"],
  ];
  for (const [url, code] of wrong) {
    const jobs = new Jobs({ store: url });
    const tries = [jobs.enqueue(plain, 1), jobs.get("default~x"), jobs.list(), jobs.stats()];
    for (const tried of await Promise.allSettled(tries)) {
      assert.equal(tried.status, "rejected", url);
      const { code: told, message } = tried.reason as { code?: string; message: string };
      assert.equal(told, code, `${url}: ${message}`);
      assert.doesNotMatch(message, /secret/);
      if (code === "NEWEL_E_JOBS_UNREACHABLE") assert.match(message, /ECONNREFUSED/);
    }
    await jobs.close();
  }
});

test("enqueueing on a full disk fails with a code, and works again once there is room", async (t) => {
  const directory = smallFileSystem(t, 3_000_000);
  if (directory === undefined) {
    t.skip("needs to mount: run as root");
    return;
  }
  const jobs = await openJobs(t, { ...store, fresh: async () => `sqlite:${directory}/jobs.db` });
  let enqueued = 0;
  const fill = async (): Promise<void> => {
    for (;;) {
      await jobs.enqueue(plain, "x".repeat(200_000));
      enqueued += 1;
    }
  };
  await assert.rejects(fill(), { code: "NEWEL_E_JOBS_FULL" });
  assert.equal((await jobs.stats())[0]?.counts.waiting, enqueued);
  spawnSync("mount", ["-o", "remount,size=30000000", directory]);
  await jobs.enqueue(plain, "x".repeat(200_000));
  assert.equal((await jobs.list()).runs.length, enqueued + 1);
});

test("the store is chosen before the first call", async (t) => {
  const jobs = new Jobs();
  assert.equal(jobs.store, `sqlite:${process.cwd()}/data/jobs.db`);
  process.env["NEWEL_JOBS_STORE"] = await store.fresh(t);
  t.after(() => delete process.env["NEWEL_JOBS_STORE"]);
  await using used = jobs;
  await used.enqueue(plain, 1);
  assert.throws(() => jobs.use({ store: "redis://localhost" }), { code: "NEWEL_E_JOBS_IN_USE" });
  assert.equal(jobs.use({ store: process.env["NEWEL_JOBS_STORE"] ?? "" }), jobs);
  await jobs.close();
  assert.equal((await jobs.list()).runs.length, 1);
  assert.throws(() => jobs.use({ store: "" }), { code: "NEWEL_E_JOB_OPTION" });
});

test("a flow without a definition, or with children that are no list, is refused", async (scope) => {
  const jobs = await openJobs(scope, store);
  const wrong: unknown[] = [
    [undefined, null, 5, "flow", {}, { job: {} }, { job: plain.name, input: 1 }],
    [
      { job: plain, children: {} },
      { job: plain, children: [undefined] },
    ],
    [
      { job: plain, children: [{ job: null }] },
      { job: plain, children: "ab" },
    ],
  ].flat();
  for (const flow of wrong)
    await assert.rejects(jobs.flow(flow as never), { code: "NEWEL_E_JOB_OPTION" });
  assert.deepEqual((await jobs.list()).runs, []);
});
