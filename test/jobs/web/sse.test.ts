import assert from "node:assert/strict";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";

import { serve } from "@hono/node-server";
import fastify from "fastify";
import { Hono } from "hono";

import type { RunEvent } from "../../../src/jobs/api.ts";
import { createSqliteBackend } from "../../../src/jobs/sqlite/index.ts";
import { pipeSse, pipeSseRuns, type RequestLike, sse, sseRuns } from "../../../src/jobs/web/sse.ts";
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

/** A site whose sessions are taken from the URL. */
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

test("a browser that reconnects gets the remaining events once", async (scope) => {
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

test("a stream ends when its browser disconnects", async (scope) => {
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

test("a framework that aborts the request ends the stream", async (scope) => {
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

test("a viewer cannot see another owner's run", async (scope) => {
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

test("an idle stream gets heartbeats", async (scope) => {
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
  scope.mock.timers.tick(5_000);
  assert.equal(await beat, "event: heartbeat\ndata: {}\n\n");
  scope.mock.timers.reset();
  await reader.cancel();
});

test("a stream ends when authorize refuses: at a heartbeat, at an event, or before it begins", async (scope) => {
  const jobs = world(scope);
  const id = await jobs.add({ by: "ann" });
  let isSignedIn = true;
  const viewer = { by: "ann", authorize: async () => isSignedIn };
  const over = 'event: status\ndata: {"status":403}\n\n';
  const open = async (): Promise<() => Promise<string>> => {
    isSignedIn = true;
    const { body } = await sse(jobs.looks, id, viewer);
    const reader = body?.getReader();
    assert.ok(reader);
    const read = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value);
    assert.match(await read(), /^retry: /);
    assert.match(await read(), /"state":"waiting"/);
    return read;
  };
  const atBeat = await open();
  scope.mock.timers.enable({ apis: ["setTimeout"] });
  const beat = atBeat();
  isSignedIn = false;
  scope.mock.timers.tick(5_000);
  assert.equal(await beat, over);
  assert.equal(await atBeat(), "");
  scope.mock.timers.reset();

  const atEvent = await open();
  isSignedIn = false;
  // Its last answer counts for a second.
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  jobs.worker(async (job) => job.updateProgress({ done: 1, total: 5 }));
  assert.equal(await atEvent(), over);
  assert.equal(await atEvent(), "");

  const refused = await sse(jobs.looks, id, viewer);
  assert.equal(refused.status, 403);
  await eventually(() => jobs.open() === 0, "nobody listens");
});

test("a request without a stream gets the state and ends", async (scope) => {
  const jobs = world(scope);
  const id = await jobs.add({ by: "ann" });
  const url = `${await site(scope, jobs.looks)}/${id}?by=ann&poll`;
  for (const headers of [{}, { "Last-Event-ID": "garbage" }]) {
    const { status, events } = await get(url, headers);
    assert.equal(status, 200);
    assert.deepEqual(
      events.map(({ data }) => [data["type"], data["state"]]),
      [["run", "waiting"]],
    );
  }
  await eventually(() => jobs.open() === 0, "nobody listens");
});

/** A site with one stream for all runs of a page. */
async function siteOfMany(scope: Scope, looks: Looks): Promise<string> {
  const server = createServer((request, response) => {
    const by = new URL(request.url ?? "", "http://site").searchParams.get("by") ?? undefined;
    void pipeSseRuns(looks, request, response, { by });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUp(scope, () => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return `http://127.0.0.1:${address.port}/`;
}

test("one stream has the events of several runs, and each is checked", async (scope) => {
  const jobs = world(scope);
  const [first, second, bobs] = [
    await jobs.add({ by: "ann" }),
    await jobs.add({ by: "ann" }),
    await jobs.add({ by: "bob" }),
  ];
  const base = await siteOfMany(scope, jobs.looks);
  const address = (...runs: string[]): string =>
    `${base}?by=ann${runs.map((run) => `&run=${encodeURIComponent(run)}`).join("")}`;
  const missing = `${jobs.name}~none`;
  const told = get(address(first, second, bobs, missing));
  await eventually(() => jobs.open() === 2, "it listens to her own");
  jobs.worker(async (job) => job.updateProgress({ done: 1, total: 2 }));
  const { status, events, text } = await told;
  assert.equal(status, 200);
  for (const [run, refused] of [
    [bobs, 403],
    [missing, 404],
  ])
    assert.ok(text.includes(`event: status\ndata: {"run":"${run}","status":${refused}}\n\n`), text);
  const own = events.filter(({ data }) => data["status"] === undefined);
  assert.deepEqual(new Set(own.map(({ data }) => data["run"])), new Set([first, second]));
  assert.equal(own.filter(({ data }) => data["state"] === "done").length, 2);

  const ofFirst = own.filter(({ data }) => data["run"] === first).map(({ id }) => id);
  const rest = await get(address(`${first},${ofFirst[0]}`, `${second},`));
  const again = rest.events
    .filter(({ data }) => data["run"] === first && data["status"] === undefined)
    .map(({ id }) => id);
  assert.deepEqual(again, ofFirst.slice(1), "each run continues behind its own last event");
  const over = await get(address(`${first},${ofFirst.at(-1)}`));
  assert.deepEqual(
    over.events.map(({ data }) => data),
    [{ run: first, status: 204 }],
  );
  await eventually(() => jobs.open() === 0, "nobody listens");
});

test("a stream for several runs has limits, and needs a viewer", async (scope) => {
  const jobs = world(scope);
  const base = await siteOfMany(scope, jobs.looks);
  const runs = (count: number): string =>
    Array.from({ length: count }, (_, at) => `&run=q~${at}`).join("");
  assert.equal((await get(`${base}?by=ann`)).status, 204);
  assert.equal((await get(`${base}?${runs(1)}`)).status, 403);
  assert.equal((await get(`${base}?by=ann${runs(101)}`)).status, 400);
  const full = await get(`${base}?by=ann${runs(100)}&poll`);
  assert.equal(full.events.filter(({ data }) => data["status"] === 404).length, 100);
  const request = { headers: {}, url: `/?poll${runs(2)}` };
  const response = await sseRuns(jobs.looks, { by: everyone, request });
  assert.equal((await response.text()).match(/"status":404/g)?.length, 2);
});

test("a slow browser holds up the store's reader, and events do not accumulate", async () => {
  let given = 0;
  const looks: Looks = {
    get: async (id) => ({ id, state: "running" }) as never,
    events: async function* (run) {
      for (;;) {
        given += 1;
        yield { id: `${given}-0`, run, type: "progress", state: "running" };
      }
    },
  };
  const response = await sse(looks, "q~1", { by: everyone });
  const reader = response.body?.getReader();
  for (let at = 0; at < 5; at += 1) await reader?.read();
  await new Promise(setImmediate);
  assert.ok(given <= 6, `${given} events were read`);
  await reader?.cancel();
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
