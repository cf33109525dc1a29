import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { createElement, type ReactNode } from "react";
import { renderToString } from "react-dom/server";

import { eventually } from "../../helpers/resources.ts";
import {
  type Answer,
  BROWSER,
  bundledHook,
  element,
  newPage,
  options,
  running,
  site,
  tell,
  toldOf,
  waitFor,
  WATCH,
} from "./element-site.ts";

test("the element is less than 8 kB, and 4 kB as it is sent", () => {
  const bytes = Buffer.byteLength(element.code);
  assert.ok(bytes > 500 && bytes < 8_000, `${bytes} bytes`);
  const sent = gzipSync(element.code).length;
  assert.ok(sent < 4_000, `${sent} bytes`);
});

test(
  "it shows the progress, outages too, and continues after any failure",
  options,
  async (scope) => {
    let dying: ServerResponse | undefined;
    const stream: Answer = (_, response, asked) => {
      if (asked === 1) {
        tell(response, 1, { run: "q~1", type: "run", state: "waiting" });
        tell(response, 2, running(3, "Ann"));
        // As at a deploy.
        response.end();
      } else if (asked === 2 || asked === 3) {
        response.writeHead(502).end("bad gateway");
      } else if (asked === 4) {
        tell(response, 3, running(7));
        dying = response;
      } else {
        tell(response, 4, running(9));
        setTimeout(() => tell(response, 5, { run: "q~1", type: "state", state: "done" }), 300);
      }
    };
    const { url, asked } = await site(
      scope,
      `<script type="module" src="/script.js"></script>
     <job-progress src="/events?x=1" next="/contacts"><progress aria-label="Import"></progress></job-progress>`,
      element.code,
      stream,
    );
    const page = await newPage();
    await page.addInitScript(WATCH);
    await page.goto(url);
    await waitFor(page, () => page.getByRole("status").innerText(), "70 %");
    // As of a proxy that died.
    dying?.destroy();
    await page.waitForURL("**/contacts");
    assert.deepEqual(await toldOf(page), [
      ["waiting", "open", null, "Waiting"],
      ["running", "open", 3, "30 %: Ann"],
      ["running", "lost", 3, "30 %: connection lost, trying again"],
      ["running", "open", 3, "30 %: Ann"],
      ["running", "open", 7, "70 %"],
      ["running", "open", 9, "90 %"],
      ["done", "closed", 9, "Done"],
    ]);
    const again = "/events?x=1&after=2";
    assert.deepEqual(asked, ["/events?x=1", again, again, again, "/events?x=1&after=3"]);
  },
);

for (const [status, state, words] of [
  [401, "forbidden", "You are signed out or may not see this"],
  [403, "forbidden", "You are signed out or may not see this"],
  [404, "missing", "This is no longer there"],
  [410, "missing", "This is no longer there"],
] as const)
  test(`a ${status} ends the bar with a state, and the asking`, options, async (scope) => {
    const { url, asked } = await site(
      scope,
      `<script type="module" src="/script.js"></script>
       <job-progress src="/events" next="/contacts"></job-progress><job-progress src="/events/own" ${state}="Wort"></job-progress>`,
      element.code,
      (request, response, count) => {
        // Before anything is known, and of a run that was followed.
        if (request.url === "/events/own" && count <= 2) {
          tell(response, 1, running(4));
          response.end();
        } else response.writeHead(status).end();
      },
    );
    const page = await newPage();
    await page.goto(url);
    const bars = page.locator("job-progress");
    await waitFor(page, () => bars.first().locator("output").innerText(), words);
    await waitFor(page, () => bars.last().locator("output").innerText(), "Wort");
    assert.equal(await bars.first().getAttribute("data-state"), state);
    assert.equal(await bars.last().getAttribute("data-connection"), "closed");
    assert.equal(await bars.first().locator("progress").getAttribute("value"), "0");
    assert.equal(await bars.last().locator("progress").getAttribute("value"), "4");
    assert.equal(asked.length, 3);
    // No event makes the page ask again.
    await page.evaluate(`dispatchEvent(new Event("online"))`);
    await page.evaluate(`fetch("/other")`);
    assert.equal(asked.length, 3);
    assert.equal(new URL(page.url()).pathname, "/");
  });

test(
  "a session that is over and leads to the login page ends the bar too",
  options,
  async (scope) => {
    const { url, asked } = await site(
      scope,
      `<script type="module" src="/script.js"></script><job-progress src="/events"></job-progress>`,
      element.code,
      (_, response) => response.writeHead(302, { location: "/login" }).end(),
    );
    const page = await newPage();
    await page.goto(url);
    const bar = page.locator("job-progress");
    await eventually(async () => (await bar.getAttribute("data-state")) === "forbidden", "it ends");
    assert.deepEqual(asked, ["/events"]);
  },
);

test("a stream that ends with 403, as after a log-out, ends the bar", options, async (scope) => {
  const { url, asked } = await site(
    scope,
    `<script type="module" src="/script.js"></script><job-progress src="/events"></job-progress>`,
    element.code,
    (_, response) => {
      tell(response, 1, running(4));
      response.end('event: status\ndata: {"status":403}\n\n');
    },
  );
  const page = await newPage();
  await page.goto(url);
  const bar = page.locator("job-progress");
  await eventually(async () => (await bar.getAttribute("data-state")) === "forbidden", "it ends");
  await page.evaluate(`dispatchEvent(new Event("online"))`);
  await page.evaluate(`fetch("/other")`);
  assert.deepEqual(asked, ["/events"]);
});

test("the element is accessible and shows why a run failed", options, async (scope) => {
  let response: ServerResponse | undefined;
  const { url } = await site(
    scope,
    `<script type="module" src="/script.js"></script>
     <job-progress src="/events" next="/contacts" failed="Nicht gelungen" label="Kontakte"></job-progress>`,
    element.code,
    (_, given) => {
      response = given;
      tell(given, 1, { run: "q~1", type: "run", state: "waiting" });
    },
  );
  const page = await newPage();
  await page.goto(url);
  const bar = page.getByRole("progressbar", { name: "Kontakte" });
  const text = page.getByRole("status");
  await waitFor(page, () => text.innerText(), "Waiting");
  assert.equal(await bar.getAttribute("value"), null, "how long it waits is not known");
  assert.ok(response);
  tell(response, 2, running(4));
  await waitFor(page, () => text.innerText(), "40 %");
  assert.equal(await bar.getAttribute("value"), "4");
  assert.equal(await text.getAttribute("aria-live"), "off");
  tell(response, 3, {
    run: "q~1",
    type: "state",
    state: "failed",
    error: { name: "Error", message: "no <b>file" },
  });
  await waitFor(page, () => text.innerText(), "Nicht gelungen: no <b>file");
  assert.equal(await text.getAttribute("aria-live"), "polite");
  assert.equal(await page.locator("job-progress").getAttribute("data-state"), "failed");
  assert.equal(new URL(page.url()).pathname, "/");
});

test("the element stops when it is removed, and follows a new address", options, async (scope) => {
  const closed: string[] = [];
  const { url, asked } = await site(
    scope,
    `<script type="module" src="/script.js"></script><job-progress src="/events/1"></job-progress>`,
    element.code,
    (request, response) => {
      tell(response, 1, { run: "q~1", type: "run", state: "waiting" });
      response.on("close", () => closed.push(request.url ?? ""));
    },
  );
  const page = await newPage();
  await page.goto(url);
  await eventually(() => asked.length === 1, "it listens");
  await page.evaluate(`document.querySelector("job-progress").setAttribute("src", "/events/2")`);
  await eventually(() => asked.length === 2 && closed.length === 1, "it listens elsewhere");
  assert.equal(await page.locator("job-progress progress").count(), 1);
  await page.evaluate(`document.querySelector("job-progress").remove()`);
  await eventually(() => closed.length === 2, "it listens no more");
  assert.deepEqual(asked, ["/events/1", "/events/2"]);
});

test("useJob renders on the server, then with each event", options, async (scope) => {
  let response: ServerResponse | undefined;
  const { url, asked } = await site(
    scope,
    `<main></main><script type="module" src="/script.js"></script>`,
    await bundledHook(),
    (_, given) => {
      response = given;
    },
  );
  const page = await newPage();
  await page.goto(url);
  const text = (): Promise<string> => page.locator("p").innerText();
  await waitFor(page, text, "nothing");
  await eventually(() => asked.length === 1, "it listens");
  assert.ok(response);
  tell(response, 1, { run: "q~1", type: "run", state: "running", progress: { done: 1, total: 2 } });
  await waitFor(page, text, "running 1/2 open");
  tell(response, 2, { run: "q~1", type: "state", state: "done" });
  await waitFor(page, text, "done 1/2 closed");
  await page.evaluate(`globalThis.show("/events/2")`);
  await waitFor(page, text, "nothing");
  await eventually(() => asked.length === 2, "the other run was asked for");
  let closed = false;
  response.on("close", () => {
    closed = true;
  });
  await page.evaluate(`globalThis.show(undefined)`);
  await eventually(() => closed, "its events were asked for no more");
  assert.deepEqual(asked, ["/events/1", "/events/2"]);
});

test("useJob in Node.js gives nothing, and uses no React", async () => {
  const hooks: unknown = await import(new URL("react-server.ts", BROWSER).href);
  const { useJob } = hooks as { useJob: (url: string) => unknown };
  const Import = (): ReactNode => createElement("p", null, String(useJob("/events")));
  assert.equal(renderToString(createElement(Import)), "<p>undefined</p>");
});
