// The example examples/contacts, in a real browser.
import assert from "node:assert/strict";
import { type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

import type { BrowserContextOptions, Page } from "playwright-core";

import { startChromium, withoutChromium } from "../../helpers/chromium.ts";
import {
  eventually,
  freePort,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../../helpers/resources.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const options = { skip: withoutChromium };

const browser = withoutChromium === false ? await startChromium({ after }) : undefined;

/** The site and its job server, each of which can be restarted. */
class Example {
  readonly url: string;
  readonly #scope: Scope;
  readonly #env: NodeJS.ProcessEnv;
  readonly #children = new Map<"web" | "jobs", ChildProcess>();

  static async start(scope: Scope, lookupMs: number): Promise<Example> {
    const example = new Example(scope, await freePort(), lookupMs);
    await Promise.all([example.run("web"), example.run("jobs")]);
    return example;
  }

  private constructor(scope: Scope, port: number, lookupMs: number) {
    this.#scope = scope;
    this.url = `http://127.0.0.1:${port}`;
    const directory = temporaryDirectory(scope);
    const own = { DATA: directory, LOOKUP_MS: String(lookupMs), PORT: String(port) };
    this.#env = { ...process.env, ...own };
  }

  async run(which: "web" | "jobs"): Promise<void> {
    const store = `sqlite:${this.#env["DATA"]}/jobs.db`;
    const server = `${ROOT}/src/cli/main.ts jobs server --processes 1 --grace 1s --store ${store} --modules`;
    const words = {
      web: [`${ROOT}/examples/contacts/server.ts`],
      jobs: [...server.split(" "), `${ROOT}/examples/contacts/jobs.ts`],
    }[which];
    const child = startProcess(this.#scope, process.execPath, words, { env: this.#env });
    this.#children.set(which, child);
    let printed = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => (printed += text));
    const ready = which === "web" ? "Contacts at" : "The job server runs";
    await eventually(() => printed.includes(ready), `${which} runs`, 20_000).catch((error) => {
      throw new Error(`${String(error)}: ${printed}`);
    });
  }

  async stop(which: "web" | "jobs", signal: NodeJS.Signals): Promise<void> {
    const child = this.#children.get(which);
    assert.ok(child);
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }
}

/** Keeps what the page's event sources and its bar say, over all pages of the tab. */
const WATCH = `
  const watched = JSON.parse(sessionStorage.getItem("watched") ?? "[]");
  const keep = (entry) => {
    watched.push(entry);
    sessionStorage.setItem("watched", JSON.stringify(watched));
  };
  const Native = EventSource;
  window.EventSource = class extends Native {
    constructor(url) {
      super(url);
      this.addEventListener("open", () => keep({ open: true }));
      this.addEventListener("message", ({ lastEventId, data }) => keep({ id: lastEventId, ...JSON.parse(data) }));
    }
  };
  document.addEventListener("job", ({ target }) => {
    const { position, value } = target.querySelector("progress");
    if (position >= 0) keep({ bar: value });
  });`;

interface Watched {
  readonly open?: true;
  readonly id?: string;
  readonly state?: string;
  readonly progress?: { readonly done: number };
  readonly bar?: number;
}

async function watched(page: Page): Promise<readonly Watched[]> {
  return JSON.parse(await page.evaluate(`sessionStorage.getItem("watched") ?? "[]"`)) as Watched[];
}

async function startImport(page: Page, url: string): Promise<string> {
  await page.goto(url);
  await page.getByRole("button", { name: "made-up" }).click();
  await page.waitForURL("**/imports/*");
  return page.url();
}

test(
  "an import is followed to its end, over restarts of the site and of the job server",
  options,
  async (scope) => {
    const example = await Example.start(scope, 80);
    const page = await visitor();
    await page.addInitScript(WATCH);
    await startImport(page, example.url);
    const reached = (done: number): Promise<unknown> =>
      eventually(
        async () => (await watched(page)).some(({ progress }) => (progress?.done ?? 0) >= done),
        `${done} are done`,
        20_000,
      );
    await reached(1_000);
    await Promise.all([example.stop("web", "SIGTERM"), example.stop("jobs", "SIGTERM")]);
    await Promise.all([example.run("web"), example.run("jobs")]);
    await reached(4_000);
    await Promise.all([example.stop("web", "SIGKILL"), example.stop("jobs", "SIGKILL")]);
    await Promise.all([example.run("web"), example.run("jobs")]);
    await page.waitForURL("**/?imported=*", { timeout: 30_000 });

    const all = await watched(page);
    assert.ok(all.filter(({ open }) => open).length >= 3, "it came back after each restart");
    const ids = all.flatMap(({ id }) => id ?? []);
    assert.equal(new Set(ids).size, ids.length, "each event came once");
    const shares = all.flatMap(({ id, progress }) =>
      id === undefined || progress === undefined ? [] : [progress.done],
    );
    assert.deepEqual(
      shares,
      shares.toSorted((a, b) => a - b),
      "events never go back",
    );
    const bars = all.flatMap(({ bar }) => bar ?? []);
    assert.deepEqual(
      bars,
      bars.toSorted((a, b) => a - b),
      "the bar never goes back",
    );
    assert.equal(bars.at(-1), 10_000);
    assert.equal(all.findLast(({ id }) => id !== undefined)?.state, "done");
    assert.equal(await page.getByRole("status").innerText(), "10,000 contacts are imported.");
    assert.match(await page.locator("h1").innerText(), /10,000/);
    assert.equal(await page.locator(".badge").count(), 0);
  },
);

test("without JavaScript the same", options, async (scope) => {
  const example = await Example.start(scope, 30);
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
  assert.equal(await page.getByRole("status").innerText(), "10,000 contacts are imported.");
});

test(
  "two users do not see each other's imports; one can be cancelled and tried again",
  options,
  async (scope) => {
    const example = await Example.start(scope, 40);
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
    await ann.waitForURL("**/?imported=*", { timeout: 30_000 });
    await bob.goto(example.url);
    assert.equal(await bob.getByText("None yet.").count(), 1);
  },
);

/** A tab of somebody with cookies of their own. */
async function visitor(options: BrowserContextOptions = {}): Promise<Page> {
  assert.ok(browser);
  const context = await browser.newContext(options);
  return context.newPage();
}
