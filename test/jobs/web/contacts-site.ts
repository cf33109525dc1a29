import assert from "node:assert/strict";
import { type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import type { Page } from "playwright-core";

import {
  eventually,
  freePort,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../../helpers/resources.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
export const SERVER: string = `${ROOT}/examples/contacts/server.ts`;
export const JOBS: string = `${ROOT}/examples/contacts/jobs.ts`;

/** The site and its job server, each of which can be restarted. */
export class Example {
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
    this.#env = {
      ...process.env,
      DATA: directory,
      NEWEL_JOBS_STORE: `sqlite:${directory}/jobs.db`,
      LOOKUP_MS: String(lookupMs),
      PORT: String(port),
    };
  }

  async run(which: "web" | "jobs"): Promise<void> {
    const server = `${ROOT}/src/cli/main.ts jobs server --processes 1 --grace 1s --modules`;
    const words = {
      web: [SERVER],
      jobs: [...server.split(" "), JOBS],
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

/** Keeps the events of the page's streams and the shares of its bar, over all pages of the tab. */
const WATCH = `
  const watched = JSON.parse(sessionStorage.getItem("watched") ?? "[]");
  const keep = (entry) => {
    watched.push(entry);
    sessionStorage.setItem("watched", JSON.stringify(watched));
  };
  const read = async (stream) => {
    let text = "";
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      const blocks = (text + chunk).split("\\n\\n");
      text = blocks.pop();
      for (const block of blocks) {
        const [, id] = /^id: (.*)$/m.exec(block) ?? [];
        if (id !== undefined) keep({ id, ...JSON.parse(/^data: (.*)$/m.exec(block)[1]) });
      }
    }
  };
  const nativeFetch = fetch;
  window.fetch = async (url, options) => {
    const response = await nativeFetch(url, options);
    if (options?.headers?.accept !== "text/event-stream" || !response.ok || !response.body) return response;
    keep({ open: true });
    const [own, watched] = response.body.tee();
    read(watched).catch(() => undefined);
    return new Response(own, response);
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

/** Starts to record the events that the pages of a tab get. */
export async function watchImports(page: Page): Promise<void> {
  await page.addInitScript(WATCH);
}

/** Waits until the page shows that number of finished lines. */
export async function reached(page: Page, done: number): Promise<void> {
  await eventually(
    async () => (await watched(page)).some(({ progress }) => (progress?.done ?? 0) >= done),
    `${done} are done`,
    30_000,
  );
}

/** Waits for the end, and checks all events that the page got. */
export async function checkFollowed(page: Page, comebacks: number): Promise<void> {
  await page.waitForURL("**/?imported=*", { timeout: 60_000 });
  const all = await watched(page);
  assert.ok(all.filter(({ open }) => open).length > comebacks, "it came back after each restart");
  const ids = all.flatMap(({ id }) => id ?? []);
  assert.equal(new Set(ids).size, ids.length, "each event came once");
  const shares = all.flatMap(({ id, progress }) =>
    id === undefined || progress === undefined ? [] : [progress.done],
  );
  const bars = all.flatMap(({ bar }) => bar ?? []);
  for (const [what, values] of Object.entries({ shares, bars })) {
    const sorted = values.toSorted((a, b) => a - b);
    assert.deepEqual(values, sorted, `the ${what} never go back`);
  }
  assert.equal(bars.at(-1), 10_000);
  assert.equal(all.findLast(({ id }) => id !== undefined)?.state, "done");
  await checkImported(page);
}

/** The page after an import. */
export async function checkImported(page: Page): Promise<void> {
  assert.equal(await page.getByRole("status").innerText(), "10,000 contacts are imported.");
  assert.match(await page.locator("h1").innerText(), /10,000/);
  assert.equal(await page.locator(".badge").count(), 0);
}

async function watched(page: Page): Promise<readonly Watched[]> {
  return JSON.parse(await page.evaluate(`sessionStorage.getItem("watched") ?? "[]"`)) as Watched[];
}

export async function startImport(page: Page, url: string): Promise<string> {
  await page.goto(url);
  await page.getByRole("button", { name: "made-up" }).click();
  await page.waitForURL("**/imports/*");
  return page.url();
}
