import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import type { BrowserContext, Page } from "playwright-core";

import { startChromium, withoutChromium } from "../../helpers/chromium.ts";
import { cleanUp, eventually, type Scope } from "../../helpers/resources.ts";
import { elementScript } from "./guide.ts";

export const BROWSER: URL = new URL("../../../src/jobs/web/browser/", import.meta.url);
export const options: { readonly skip: string | false } = { skip: withoutChromium };
const browser = withoutChromium === false ? await startChromium({ after }) : undefined;

/** Several tabs of one browser. */
export async function newContext(): Promise<BrowserContext> {
  assert.ok(browser);
  return browser.newContext();
}

export async function newPage(): Promise<Page> {
  assert.ok(browser);
  return browser.newPage();
}

export const element: { readonly code: string } = { code: elementScript() };

export type Answer = (request: IncomingMessage, response: ServerResponse, asked: number) => void;

/** A site with a page, the element, and streams as the test has them. */
export async function site(
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

export function tell(response: ServerResponse, id: number, event: object): void {
  if (!response.headersSent) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("retry: 50\n\n");
  }
  response.write(`id: ${id}\ndata: ${JSON.stringify(event)}\n\n`);
}

export const running = (done: number, note?: string): object => ({
  run: "q~1",
  type: "progress",
  state: "running",
  progress: { done, total: 10, ...(note === undefined ? {} : { note }) },
});

/** Keeps the views that the page is given, and the text of the bar at each. */
export const WATCH: string = `
  const told = [];
  document.addEventListener("job", ({ detail: { state, progress, connection }, target }) => {
    told.push([state, connection, progress?.done, target.textContent.trim()]);
    sessionStorage.setItem("told", JSON.stringify(told));
  });`;

export async function toldOf(page: Page): Promise<unknown[]> {
  const text = await page.evaluate(() => globalThis.sessionStorage.getItem("told") ?? "[]");
  return JSON.parse(text) as unknown[];
}

/** A page that shows the values of the hook. */
export async function bundledHook(): Promise<string> {
  const source = `
    import { createElement as h } from "react";
    import { createRoot } from "react-dom/client";
    import { useJob } from ${JSON.stringify(fileURLToPath(new URL("react.ts", BROWSER)))};
    function Import({ url }) {
      const job = useJob(url);
      const { done = "-", total = "-" } = job?.progress ?? {};
      return h("p", null, job === undefined ? "nothing" : job.state + " " + done + "/" + total + " " + job.connection);
    }
    const root = createRoot(document.querySelector("main"));
    globalThis.show = (url) => root.render(h(Import, { url }));
    show("/events/1");`;
  const bundled = await build({
    stdin: { contents: source, resolveDir: fileURLToPath(new URL("../../..", import.meta.url)) },
    bundle: true,
    write: false,
    format: "iife",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  return bundled.outputFiles[0]?.text ?? "";
}

export async function waitFor(
  page: Page,
  read: () => Promise<string>,
  wanted: string,
  limitMs?: number,
): Promise<void> {
  let last = "";
  await eventually(
    async () => {
      last = await read();
      return last === wanted;
    },
    wanted,
    limitMs,
  ).catch(async (error: unknown) => {
    throw new Error(`${String(error)}, but ${last}: ${await page.content()}`);
  });
}
