import assert from "node:assert/strict";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";

import { serve } from "@hono/node-server";
import fastify from "fastify";
import { Hono } from "hono";

import type { RunEvent } from "../../../src/jobs/api.ts";
import { createSqliteBackend } from "../../../src/jobs/sqlite/index.ts";
import { pipeSse, type RequestLike, sse } from "../../../src/jobs/web/sse.ts";
import { status } from "../../../src/jobs/web/status.ts";
import { everyone, type Looks, type Viewer } from "../../../src/jobs/web/viewer.ts";
import { cleanUp, eventually, type Scope, temporaryDirectory } from "../../helpers/resources.ts";
import { EventsWorld } from "../events/world.ts";
import { get, parseStream } from "./browser.ts";

const path = join(temporaryDirectory({ after }), "jobs.db");

function world(scope: Scope): EventsWorld & { looks: Looks; open: () => number } {
  const made = new EventsWorld(scope, {
    name: "SQLite",
    connection: `sqlite:${path}`,
    factory: createSqliteBackend,
  });
  const events = made.events();
  let open = 0;
  const looks: Looks = {
    get: (id) => made.run(id),
    events: async function* (id, options) {
      open += 1;
      try {
        yield* events.events(id, options);
      } finally {
        open -= 1;
      }
    },
  };
  return Object.assign(made, { looks, open: () => open });
}

/** A site whose sessions are what the address says. */
async function site(scope: Scope, looks: Looks): Promise<string> {
  const failures: unknown[] = [];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://site");
    const by = searchParams.get("by") ?? undefined;
    pipeSse(looks, pathname.slice(1), request, response, { by }).catch((error: unknown) =>
      failures.push(error),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUp(scope, () => {
    server.close();
    server.closeAllConnections();
    assert.deepEqual(failures, []);
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return `http://127.0.0.1:${address.port}`;
}

test("a browser gets the events of a run, and an end", async (scope) => {
  const jobs = world(scope);
  const id = await jobs.add({ by: "ann" });
  const url = `${await site(scope, jobs.looks)}/${id}?by=ann`;
  const answer = get(url);
  await eventually(() => jobs.open() === 1, "it listens");
  jobs.worker(async (job) => {
    for (let done = 1; done <= 5; done += 1) await job.updateProgress({ done, total: 5 });
    return { rows: 5 };
  });
  const { status, headers, events, text } = await answer;
  assert.equal(status, 200);
  assert.equal(headers["content-type"], "text/event-stream");
  assert.equal(headers["cache-control"], "no-store, no-transform");
  assert.equal(headers["x-accel-buffering"], "no");
  assert.match(text, /^retry: \d+\n\n/);
  assert.equal(events[0]?.data["type"], "run");
  const last = events.at(-1);
  assert.deepEqual(last?.data, {
    run: id,
    type: "state",
    state: "done",
    progress: { done: 5, total: 5 },
    result: { rows: 5 },
  });
  assert.equal(new Set(events.map((event) => event.id)).size, events.length);
  await eventually(() => jobs.open() === 0, "nobody listens");
});

test("whoever comes back gets the rest once, and then nothing more", async (scope) => {
  const jobs = world(scope);
  const id = await jobs.add({ by: "7" });
  const url = `${await site(scope, jobs.looks)}/${id}?by=7`;
  const first = get(url, {}, (text) => text.includes('"done":3,'));
  await eventually(() => jobs.open() === 1, "it listens");
  jobs.worker(async (job) => {
    for (let done = 1; done <= 60; done += 1) {
      await job.updateProgress({ done, total: 60 });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });
  const { events: seen } = await first;
  const after = seen.at(-1)?.id ?? "";
  const byHeader = await get(url, { "Last-Event-ID": after });
  const byAddress = await get(`${url}&after=${encodeURIComponent(after)}`);
  assert.deepEqual(byHeader.events, byAddress.events);
  const all = [...seen, ...byHeader.events];
  assert.equal(new Set(all.map((event) => event.id)).size, all.length);
  const shares = all.map(({ data }) => (data["progress"] as { done?: number } | undefined)?.done);
  const told = shares.filter((done) => done !== undefined);
  assert.deepEqual(
    told.slice(0, 60),
    Array.from({ length: 60 }, (_, at) => at + 1),
  );
  const last = await get(url, { "Last-Event-ID": byHeader.events.at(-1)?.id ?? "" });
  assert.equal(last.status, 204);
  const garbage = await get(url, { "Last-Event-ID": "garbage" });
  assert.equal(garbage.events.length, 1);
  assert.equal(garbage.events[0]?.data["state"], "done");
  await eventually(() => jobs.open() === 0, "nobody listens");
});

test("a browser that is gone is not told anything any more", async (scope) => {
  const jobs = world(scope);
  const id = await jobs.add({ by: "ann" });
  const base = await site(scope, jobs.looks);
  await get(`${base}/${id}?by=ann`, {}, (text) => text.includes("waiting"));
  await eventually(() => jobs.open() === 0, "nobody listens");

  const response = await sse(jobs.looks, id, { by: "ann" });
  const reader = response.body?.getReader();
  await reader?.read();
  await reader?.read();
  assert.equal(jobs.open(), 1);
  await reader?.cancel();
  await eventually(() => jobs.open() === 0, "nobody listens");

  const abort = new AbortController();
  const aborted = await sse(jobs.looks, id, { by: "ann", signal: abort.signal });
  const text = aborted.text();
  await eventually(() => jobs.open() === 1, "it listens");
  abort.abort();
  assert.equal(parseStream(await text).length, 1);
});

test("a framework that is told of a browser's end ends the stream", async (scope) => {
  const jobs = world(scope);
  const id = await jobs.add({ by: "ann" });
  const answer = (request: RequestLike): Promise<Response> =>
    sse(jobs.looks, id, { by: "ann", request });
  const app = fastify();
  app.get("/", (request) => answer(request));
  cleanUp(scope, () => app.close());
  const onFastify = await app.listen({ port: 0, host: "127.0.0.1" });
  const hono = new Hono().get("/", (c) => answer(c.req.raw));
  const onHono = await new Promise<string>((resolve) => {
    const server = serve({ fetch: hono.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) =>
      resolve(`http://127.0.0.1:${port}/`),
    );
    cleanUp(scope, () => void server.close());
  });
  for (const url of [onFastify, onHono]) {
    let open = 0;
    const came = (text: string): boolean => {
      open = jobs.open();
      return text.includes("waiting");
    };
    const { headers } = await get(url, {}, came);
    assert.equal(headers["content-type"], "text/event-stream", url);
    assert.equal(open, 1);
    await eventually(() => jobs.open() === 0, `nobody listens to ${url}`);
    // A stream that is not read is not begun.
    await fetch(url, { method: "HEAD" });
    assert.equal(jobs.open(), 0);
  }
});

test("nobody sees somebody else's run", async (scope) => {
  const jobs = world(scope);
  const id = await jobs.add({ by: "ann", secret: "input" });
  const ofNobody = await jobs.add({});
  const cases: [string, unknown, number, string][] = [
    [id, "bob", 403, "NEWEL_E_JOB_FORBIDDEN"],
    [id, undefined, 403, "NEWEL_E_JOB_BY"],
    [id, null, 403, "NEWEL_E_JOB_BY"],
    [id, "", 403, "NEWEL_E_JOB_BY"],
    [id, Number.NaN, 403, "NEWEL_E_JOB_BY"],
    [ofNobody, "ann", 403, "NEWEL_E_JOB_FORBIDDEN"],
    [ofNobody, "undefined", 403, "NEWEL_E_JOB_FORBIDDEN"],
    [ofNobody, undefined, 403, "NEWEL_E_JOB_BY"],
    [`${jobs.name}~nobody`, "ann", 404, "NEWEL_E_JOB_NO_RUN"],
    ["garbage", "ann", 404, "NEWEL_E_JOB_NO_RUN"],
  ];
  const base = await site(scope, jobs.looks);
  for (const [run, by, wanted, code] of cases) {
    const answers = [
      await sse(jobs.looks, run, { by: by as Viewer }),
      await status(jobs.looks, run, { by: by as Viewer }),
    ];
    for (const answer of answers) {
      assert.equal(answer.status, wanted, `${run} by ${String(by)}`);
      const body = (await answer.json()) as { error: { code: string } };
      assert.equal(body.error.code, code);
      assert.equal(answer.headers.get("cache-control"), "no-store");
    }
    if (typeof by === "string" && by !== "")
      assert.equal((await get(`${base}/${run}?by=${by}`)).status, wanted);
  }
  assert.equal((await get(`${base}/${id}`)).status, 403);
  assert.equal((await status(jobs.looks, id, { by: everyone })).status, 200);
  const own = await status(jobs.looks, id, { by: "ann" });
  const body = (await own.json()) as Record<string, unknown>;
  assert.equal(body["state"], "waiting");
  assert.ok(!("input" in body) && !("by" in body));
});

test("a stream on which nothing happens is kept alive", async (scope) => {
  const jobs = world(scope);
  const id = await jobs.add({ by: "ann" });
  const response = await sse(jobs.looks, id, { by: "ann" });
  const reader = response.body?.getReader();
  assert.ok(reader);
  const read = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value);
  assert.match(await read(), /^retry: /);
  assert.match(await read(), /"state":"waiting"/);
  scope.mock.timers.enable({ apis: ["setTimeout"] });
  const beat = read();
  scope.mock.timers.tick(15_000);
  assert.equal(await beat, ": \n\n");
  scope.mock.timers.reset();
  await reader.cancel();
});

test("a store that fails is an error of the page, not a refusal", async () => {
  const failing: Looks = {
    get: () => Promise.reject(new Error("no disk")),
    events: async function* (): AsyncGenerator<RunEvent> {
      yield* [];
    },
  };
  await assert.rejects(sse(failing, "q~1", { by: "ann" }), /no disk/);
  await assert.rejects(status(failing, "q~1", { by: "ann" }), /no disk/);
});
