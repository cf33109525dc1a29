import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

import { build, transform } from "esbuild";
import type { Page } from "playwright-core";
import { createElement, type ReactNode } from "react";
import { renderToString } from "react-dom/server";

import { startChromium, withoutChromium } from "../../helpers/chromium.ts";
import { cleanUp, eventually, type Scope } from "../../helpers/resources.ts";

const BROWSER = new URL("../../../src/jobs/web/browser/", import.meta.url);
const options = { skip: withoutChromium };
const browser = withoutChromium === false ? await startChromium({ after }) : undefined;

async function newPage(): Promise<Page> {
  assert.ok(browser);
  return browser.newPage();
}

const element = await transform(readFileSync(new URL("element.ts", BROWSER), "utf8"), {
  loader: "ts",
  minify: true,
});

type Answer = (request: IncomingMessage, response: ServerResponse, asked: number) => void;

/** A site with a page, the element, and streams as the test has them. */
async function site(
  scope: Scope,
  page: string,
  script: string,
  stream: Answer,
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const { url = "" } = request;
    if (url === "/") {
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.end(`<!doctype html><title>page</title>${page}`);
    } else if (url === "/script.js") {
      response.setHeader("content-type", "text/javascript");
      response.end(script);
    } else if (url.startsWith("/events")) {
      const { "last-event-id": last } = request.headers;
      asked.push(last === undefined ? url : `${url} ${String(last)}`);
      stream(request, response, asked.length);
    } else response.end(url);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUp(scope, () => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return { url: `http://127.0.0.1:${address.port}/`, asked };
}

function tell(response: ServerResponse, id: number, event: object): void {
  if (!response.headersSent) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("retry: 50\n\n");
  }
  response.write(`id: ${id}\ndata: ${JSON.stringify(event)}\n\n`);
}

const running = (done: number, note?: string): object => ({
  run: "q~1",
  type: "progress",
  state: "running",
  progress: { done, total: 10, ...(note === undefined ? {} : { note }) },
});

test("the element is less than 2 kB", async () => {
  const bytes = Buffer.byteLength(element.code);
  assert.ok(bytes > 500 && bytes < 2_000, `${bytes} bytes`);
});

test(
  "it shows how far the run is, comes back after any failure, and goes on",
  options,
  async (scope) => {
    const stream: Answer = (_, response, asked) => {
      if (asked === 1) {
        tell(response, 1, { run: "q~1", type: "run", state: "waiting" });
        tell(response, 2, running(3, "Ann"));
        // As at a deploy.
        setTimeout(() => response.end(), 50);
      } else if (asked === 2) {
        response.writeHead(502).end("bad gateway");
      } else if (asked === 3) {
        tell(response, 3, running(7));
        // As of a proxy that died.
        setTimeout(() => response.destroy(), 50);
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
    await page.addInitScript(`
    const told = [];
    document.addEventListener("job", ({ detail: { state, progress }, target }) => {
      told.push([state, progress, target.textContent.trim()]);
      sessionStorage.setItem("told", JSON.stringify(told));
    });`);
    await page.goto(url);
    await page.waitForURL("**/contacts");
    const told = JSON.parse(
      await page.evaluate(() => globalThis.sessionStorage.getItem("told") ?? ""),
    ) as unknown[];
    assert.deepEqual(told, [
      ["waiting", null, "Waiting"],
      ["running", { done: 3, total: 10, note: "Ann" }, "30 %: Ann"],
      ["running", { done: 7, total: 10 }, "70 %"],
      ["running", { done: 9, total: 10 }, "90 %"],
      ["done", { done: 9, total: 10 }, "Done"],
    ]);
    assert.deepEqual(asked, [
      "/events?x=1",
      "/events?x=1 2",
      "/events?x=1&after=2",
      "/events?x=1&after=2 3",
    ]);
  },
);

test("it can be read by everybody, and says why a run failed", options, async (scope) => {
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

test("it stops with its page element, and starts with another address", options, async (scope) => {
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
  const source = `
    import { createElement as h } from "react";
    import { createRoot } from "react-dom/client";
    import { useJob } from ${JSON.stringify(fileURLToPath(new URL("react.ts", BROWSER)))};
    function Import({ url }) {
      const job = useJob(url);
      const { done = "-", total = "-" } = job?.progress ?? {};
      return h("p", null, job === undefined ? "nothing" : job.state + " " + done + "/" + total);
    }
    const root = createRoot(document.querySelector("main"));
    globalThis.show = (url) => root.render(h(Import, { url }));
    show("/events/1");`;
  const bundled = await build({
    stdin: { contents: source, resolveDir: fileURLToPath(new URL("../../..", import.meta.url)) },
    bundle: true,
    write: false,
    format: "esm",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  let response: ServerResponse | undefined;
  const { url, asked } = await site(
    scope,
    `<main></main><script type="module" src="/script.js"></script>`,
    bundled.outputFiles[0]?.text ?? "",
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
  await waitFor(page, text, "running 1/2");
  tell(response, 2, { run: "q~1", type: "state", state: "done" });
  await waitFor(page, text, "done 1/2");
  await page.evaluate(`globalThis.show("/events/2")`);
  await waitFor(page, text, "nothing");
  await page.evaluate(`globalThis.show(undefined)`);
  await eventually(() => asked.length === 2, "the other run was asked for");
});

test("useJob on a server shows what it knows: nothing", async () => {
  const hooks: unknown = await import(new URL("react.ts", BROWSER).href);
  const { useJob } = hooks as { useJob: (url: string) => unknown };
  const Import = (): ReactNode => createElement("p", null, String(useJob("/events")));
  assert.equal(renderToString(createElement(Import)), "<p>undefined</p>");
});

async function waitFor(page: Page, read: () => Promise<string>, wanted: string): Promise<void> {
  let last = "";
  await eventually(async () => {
    last = await read();
    return last === wanted;
  }, wanted).catch(async (error: unknown) => {
    throw new Error(`${String(error)}, but ${last}: ${await page.content()}`);
  });
}
