// The example examples/contacts, in a real browser.
import assert from "node:assert/strict";
import { after, test } from "node:test";

import type { BrowserContextOptions, Page } from "playwright-core";

import { startChromium, withoutChromium } from "../../helpers/chromium.ts";
import { eventually, freePort } from "../../helpers/resources.ts";
import { SupervisedApp } from "../../helpers/supervised.ts";
import {
  checkFollowed,
  checkImported,
  Example,
  JOBS,
  reached,
  SERVER,
  startImport,
  watchImports,
} from "./contacts-site.ts";

const options = { skip: withoutChromium };
const browser = withoutChromium === false ? await startChromium({ after }) : undefined;

test("an import is followed to its end, over restarts and kills", options, async (scope) => {
  const example = await Example.start(scope, 80);
  const page = await visitor();
  await watchImports(page);
  await startImport(page, example.url);
  await reached(page, 1_000);
  await Promise.all([example.stop("web", "SIGTERM"), example.stop("jobs", "SIGTERM")]);
  await Promise.all([example.run("web"), example.run("jobs")]);
  await reached(page, 4_000);
  await Promise.all([example.stop("web", "SIGKILL"), example.stop("jobs", "SIGKILL")]);
  await Promise.all([example.run("web"), example.run("jobs")]);
  await checkFollowed(page, 2);
});

test(
  "under newel: over a reload of the site and a restart of the job server",
  options,
  async (scope) => {
    const app = new SupervisedApp(scope);
    const port = await freePort();
    const env = { DATA: app.directory, LOOKUP_MS: "80", PORT: String(port) };
    const up = await app.up({
      services: {
        web: {
          node: SERVER,
          listen: `127.0.0.1:${port}`,
          replicas: 2,
          ready: { http: "/healthz", stable: "100ms" },
          // Far more than it takes: an open page does not hold it up.
          stop: { grace: "60s" },
          env,
        },
      },
      jobs: { modules: JOBS, processes: 1, grace: "1s", env },
    });
    assert.ok(up.ok, JSON.stringify(up));
    const page = await visitor();
    await watchImports(page);
    await startImport(page, `http://127.0.0.1:${port}`);
    await reached(page, 1_000);
    const startedMs = performance.now();
    const [web, jobs] = await Promise.all([app.verb("reload", "web"), app.verb("restart", "jobs")]);
    assert.ok(web.ok && jobs.ok, JSON.stringify({ web, jobs }));
    assert.deepEqual([...web.killed, ...jobs.killed], []);
    assert.ok(performance.now() - startedMs < 45_000, "open pages do not hold up the reload");
    await checkFollowed(page, 1);
  },
);

test("an import is followed without JavaScript", options, async (scope) => {
  // The page asks again once a second: an import of some seconds is seen on its way more than once.
  const example = await Example.start(scope, 90);
  const page = await visitor({ javaScriptEnabled: false });
  const seen: number[] = [];
  await startImport(page, example.url);
  assert.equal(await page.locator(".badge").innerText(), "1 import running");
  await eventually(
    async () => {
      if (page.url().includes("imported=")) return true;
      const share = /(\d+) %/.exec(await page.content().catch(() => ""))?.[1];
      if (share !== undefined && Number(share) !== seen.at(-1)) seen.push(Number(share));
      return false;
    },
    "the page goes on by itself",
    40_000,
  );
  assert.ok(seen.length >= 2, `it shows how far it is: ${seen.join(" ")}`);
  assert.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  );
  await checkImported(page);
});

test("an uploaded file is imported", options, async (scope) => {
  const example = await Example.start(scope, 0);
  const page = await visitor();
  await page.goto(example.url);
  const buffer = Buffer.from("name,email\nAda <b>Lovelace</b>,Ada@Example.com\nno address\n");
  await page.getByLabel("CSV").setInputFiles({ name: "mine.csv", mimeType: "text/csv", buffer });
  await page.getByRole("button", { name: "Import", exact: true }).click();
  await page.waitForURL("**/?imported=*");
  assert.equal(await page.locator("h1 small").innerText(), "1");
  assert.equal(await page.locator("td").first().innerText(), "Ada <b>Lovelace</b>");
  assert.equal(await page.locator("td").last().innerText(), "ada@example.com");
});

test(
  "two users do not see each other's imports; one can be cancelled and tried again",
  options,
  async (scope) => {
    const example = await Example.start(scope, 200);
    const ann = await visitor();
    const address = await startImport(ann, example.url);
    const bob = await visitor();
    await bob.goto(example.url);
    assert.equal(await bob.locator(".badge").count(), 0);
    assert.equal((await bob.goto(address))?.status(), 404);
    for (const what of ["events", "status"])
      assert.equal((await bob.request.get(`${address}/${what}`)).status(), 403, what);
    for (const what of ["cancel", "retry"]) await bob.request.post(`${address}/${what}`);
    const own = await ann.request.get(`${address}/status`);
    assert.equal(own.status(), 200);
    assert.match(((await own.json()) as { state: string }).state, /waiting|running/);

    await ann.getByRole("button", { name: "Cancel" }).click();
    await ann.getByRole("heading", { name: "cancelled" }).waitFor();
    const again = ann.getByRole("button", { name: "Try again" });
    await eventually(async () => {
      if ((await again.count()) === 0) return true;
      await again.click();
      return ann.url().endsWith("retry") ? false : (await again.count()) === 0;
    }, "it runs again");
    await ann.waitForURL("**/?imported=*", { timeout: 90_000 });
    await bob.goto(example.url);
    assert.equal(await bob.getByText("None yet.").count(), 1);
  },
);

/** A tab with its own cookies. */
async function visitor(options: BrowserContextOptions = {}): Promise<Page> {
  assert.ok(browser);
  const context = await browser.newContext(options);
  return context.newPage();
}
