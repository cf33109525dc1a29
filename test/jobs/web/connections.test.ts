// How bars and the hook keep their connections: silence, sleep, hidden pages, many bars, many tabs.
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";

import { cleanUp, eventually } from "../../helpers/resources.ts";
import {
  bundledHook,
  element,
  newContext,
  newPage,
  options,
  running,
  site,
  tell,
  toldOf,
  waitFor,
  WATCH,
} from "./element-site.ts";

const HEARTBEAT = "event: heartbeat\ndata: {}\n\n";

test(
  "a connection that goes silent is noticed, by element and hook, and opened again",
  options,
  async (scope) => {
    const silent = new Set<string>();
    const { url } = await site(
      scope,
      `<job-progress src="/events/element"></job-progress><main></main><script type="module" src="/script.js"></script>`,
      (await bundledHook()) + element.code,
      (request, response) => {
        const [address = ""] = (request.url ?? "").split("?");
        // The first stream of each says one thing and then nothing for ever.
        if (silent.has(address)) tell(response, 2, running(9));
        else tell(response, 1, running(4));
        silent.add(address);
      },
    );
    const page = await newPage();
    await page.addInitScript(WATCH);
    await page.goto(url);
    const hook = (): Promise<string> => page.locator("p").innerText();
    await waitFor(page, hook, "running 4/10 open");
    await waitFor(page, hook, "running 4/10 lost", 30_000);
    await waitFor(page, hook, "running 9/10 open", 30_000);
    await waitFor(page, () => page.getByRole("status").innerText(), "90 %", 30_000);
    assert.deepEqual(await toldOf(page), [
      ["running", "open", 4, "40 %"],
      ["running", "lost", 4, "40 %: connection lost, trying again"],
      ["running", "open", 4, "40 %"],
      ["running", "open", 9, "90 %"],
    ]);
  },
);

test("a page that is shown again after a sleep asks at once", options, async (scope) => {
  const { url, asked } = await site(
    scope,
    `<script type="module" src="/script.js"></script><job-progress src="/events"></job-progress>`,
    element.code,
    (_, response, count) => tell(response, count, running(count)),
  );
  const page = await newPage();
  await page.addInitScript(`
    const { now } = Date;
    let sleptMs = 0;
    Date.now = () => now() + sleptMs;
    globalThis.sleep = (ms) => { sleptMs += ms; dispatchEvent(new Event("online")); };`);
  await page.goto(url);
  await waitFor(page, () => page.getByRole("status").innerText(), "10 %");
  await page.evaluate(`sleep(1_000)`);
  await page.evaluate(`fetch("/other")`);
  assert.equal(asked.length, 1, "a short one changes nothing");
  await page.evaluate(`sleep(3_600_000)`);
  await waitFor(page, () => page.getByRole("status").innerText(), "20 %");
  assert.deepEqual(asked, ["/events", "/events?after=1"]);
});

test(
  "a page that is not seen leaves its stream to others, and asks now and then",
  options,
  async (scope) => {
    let open = 0;
    const { url, asked } = await site(
      scope,
      `<script type="module" src="/script.js"></script><job-progress src="/events"></job-progress>`,
      element.code,
      (request, response, count) => {
        tell(response, count, running(count));
        if (request.url?.includes("poll")) return void response.end();
        open += 1;
        response.on("close", () => (open -= 1));
      },
    );
    const page = await newPage();
    await page.addInitScript(`
    let isHidden = false;
    Object.defineProperty(document, "hidden", { get: () => isHidden });
    globalThis.hide = (value) => { isHidden = value; document.dispatchEvent(new Event("visibilitychange")); };`);
    await page.goto(url);
    const text = (): Promise<string> => page.getByRole("status").innerText();
    await waitFor(page, text, "10 %");
    await page.evaluate(`hide(true)`);
    await waitFor(page, text, "20 %");
    assert.equal(open, 0);
    await page.evaluate(`hide(false)`);
    await waitFor(page, text, "30 %");
    assert.equal(open, 1);
    assert.deepEqual(asked, ["/events", "/events?poll=", "/events?after=2"]);
  },
);

/** The most streams that were open at once. A stream that ends in the millisecond in which another begins ends first. */
function mostAtOnce(streams: readonly Stream[]): number {
  const changes = streams.flatMap(({ from, to }) => [
    { ms: from, by: 1 },
    ...(to === null ? [] : [{ ms: to, by: -1 }]),
  ]);
  let [open, most] = [0, 0];
  for (const { by } of changes.toSorted((a, b) => a.ms - b.ms || a.by - b.by)) {
    open += by;
    most = Math.max(most, open);
  }
  return most;
}

/** When a stream of a page began and ended, by the wall clock that all pages share. */
interface Stream {
  readonly from: number;
  readonly to: number | null;
}

/** Notes the streams of a page where the element begins and ends them: a server knows of an end later. */
const NOTE_STREAMS = `
  const { fetch } = globalThis;
  globalThis.streams = [];
  globalThis.fetch = (address, options) => {
    if (!address.startsWith("/events") || address.includes("poll")) return fetch(address, options);
    const stream = { from: Date.now(), to: null };
    streams.push(stream);
    options.signal.addEventListener("abort", () => (stream.to ??= Date.now()));
    return fetch(address, options);
  };`;

test(
  "many bars in many tabs share a few streams, and the site stays usable",
  options,
  async (scope) => {
    const open = new Set<ServerResponse>();
    const { url } = await site(
      scope,
      `<script type="module" src="/script.js"></script>${Array.from({ length: 12 }, (_, at) => `<job-progress src="/events/${at}"></job-progress>`).join("")}`,
      element.code,
      (request, response) => {
        tell(response, 1, running(4));
        if (request.url?.includes("poll")) return void response.end();
        open.add(response);
        const heartbeat = setInterval(() => response.write(HEARTBEAT), 1_000);
        response.on("close", () => {
          clearInterval(heartbeat);
          open.delete(response);
        });
      },
    );
    const context = await newContext();
    cleanUp(scope, () => context.close());
    await context.addInitScript(NOTE_STREAMS);
    const pages = [];
    for (let tab = 0; tab < 8; tab += 1) {
      const page = await context.newPage();
      pages.push(page);
      await page.goto(url);
    }
    for (const page of pages)
      await eventually(
        async () => (await page.locator('job-progress[data-state="running"]').count()) === 12,
        "each bar shows its run",
        240_000,
      );
    // Each end of a stream leaves its permit to a bar of any tab.
    for (let end = 0; end < 5; end += 1) {
      const ended = [...open];
      for (const response of ended) response.end();
      await eventually(
        () => open.size > 0 && !ended.some((response) => open.has(response)),
        "other streams are open",
        60_000,
      );
    }
    const streams = await Promise.all(
      pages.map((page) =>
        page.evaluate(() => (globalThis as unknown as { streams: Stream[] }).streams),
      ),
    );
    const most = mostAtOnce(streams.flat());
    assert.ok(most <= 3, `${most} streams`);
    for (const own of streams) assert.ok(mostAtOnce(own) <= 2, JSON.stringify(own));
    assert.ok(streams.flat().length >= 6, JSON.stringify(streams));
    await pages.at(-1)?.evaluate(`fetch("/other").then(({ ok }) => ok)`);
  },
);

test(
  "bars of several runs follow one stream, and each run has its own end",
  options,
  async (scope) => {
    const responses: ServerResponse[] = [];
    const bars = ["a", "b", "c"].map(
      (run) => `<job-progress src="/events" run="q~${run}"></job-progress>`,
    );
    const { url, asked } = await site(
      scope,
      `<script type="module" src="/script.js"></script>${bars.join("")}`,
      element.code,
      (_, response) => {
        responses.push(response);
        if (responses.length === 1) {
          for (const run of ["q~a", "q~b"])
            tell(response, 1, { run, type: "run", state: "waiting" });
          response.write('event: status\ndata: {"run":"q~c","status":404}\n\n');
        } else tell(response, 9, { run: "q~b", type: "state", state: "running" });
      },
    );
    const page = await newPage();
    await page.goto(url);
    const states = (): Promise<string> =>
      page.evaluate(
        `[...document.querySelectorAll("job-progress")].map(({ dataset }) => dataset.state).join(" ")`,
      );
    await waitFor(page, states, "waiting waiting missing");
    assert.ok(responses[0]);
    tell(responses[0], 2, { run: "q~a", type: "state", state: "done" });
    await waitFor(page, states, "done waiting missing");
    responses[0].end();
    await waitFor(page, states, "done running missing");
    assert.deepEqual(
      asked.map((address) => new URL(address, url).searchParams.getAll("run")),
      [["q~a,", "q~b,", "q~c,"], ["q~b,1"]],
      "what has ended is not asked for again",
    );
  },
);
