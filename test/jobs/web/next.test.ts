// The program for Next.js of docs/guide/jobs-web.md, built for production.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";

import { startChromium, withoutChromium } from "../../helpers/chromium.ts";
import {
  cleanUp,
  eventually,
  freePort,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../../helpers/resources.ts";
import { get } from "./browser.ts";
import { FRAMEWORKS, guideFiles, ROOT, without, write } from "./guide.ts";

const SITE = join(FRAMEWORKS, "next/site");
const NEXT = join(FRAMEWORKS, "next/node_modules/next/dist/bin/next");
const NEWEL = join(SITE, "node_modules/newel");

/** Makes the site next to the packages of its folder, since its bundler follows no links out of a project. */
async function makeSite(scope: Scope): Promise<void> {
  rmSync(SITE, { recursive: true, force: true });
  cleanUp(scope, () => rmSync(SITE, { recursive: true, force: true }));
  for (const [name, code] of guideFiles())
    if (/^next\.config|^src\/(?:app\/|jobs\.|session\.)/.test(name)) write(join(SITE, name), code);
  write(join(SITE, "package.json"), JSON.stringify({ private: true, type: "module" }));
  write(
    join(SITE, "src/app/layout.tsx"),
    `export default function Layout({ children }: { children: React.ReactNode }) {
       return <html lang="en"><body>{children}</body></html>;
     }`,
  );
  cpSync(join(ROOT, "package.json"), join(NEWEL, "package.json"));
  for (const project of ["tsconfig.build.json", "src/jobs/web/browser/tsconfig.json"]) {
    const words = `-p ${join(ROOT, project)} --noEmit false --outDir ${join(NEWEL, "dist")}`;
    await run(join(ROOT, "node_modules/.bin/tsc"), words.split(" "));
  }
  await run(process.execPath, [NEXT, "build"]);
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", CI: "1" };
  const child = spawn(command, args, { cwd: SITE, env, stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (printed += text));
  const [code] = (await once(child, "close")) as [number | null];
  assert.equal(code, 0, printed);
}

test("the program for Next.js", { skip: without("next") || withoutChromium }, async (scope) => {
  await makeSite(scope);
  const store = `sqlite:${join(temporaryDirectory(scope), "jobs.db")}`;
  const port = await freePort();
  const env = { ...process.env, NEWEL_JOBS_STORE: store, NEXT_TELEMETRY_DISABLED: "1" };
  const cli = [join(NEWEL, "dist/cli/main.js"), "jobs", "server", "--modules", "src/jobs.ts"];
  const site = [NEXT, "start", "-H", "127.0.0.1", "-p", String(port)];
  for (const words of [cli, site]) {
    const child = startProcess(scope, process.execPath, words, { cwd: SITE, env });
    let printed = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => (printed += text));
    const isReady = (): boolean => /The job server runs|Ready in/.test(printed);
    await eventually(isReady, `${words.join(" ")} runs`, 30_000).catch((error) => {
      throw new Error(`${String(error)}: ${printed}`);
    });
  }
  const base = `http://127.0.0.1:${port}`;
  const headers = { cookie: "user=ann" };
  const enqueue = async (): Promise<string> => {
    const options = { method: "POST", headers, redirect: "manual" } as const;
    const posted = await fetch(`${base}/imports`, options);
    assert.equal(posted.status, 303);
    return posted.headers.get("location") ?? "";
  };
  const path = await enqueue();
  const left = await get(`${base}${path}/events`, headers, (text) => text.includes("data: "));
  const rest = await get(`${base}${path}/events`, {
    ...headers,
    "Last-Event-ID": left.events.at(-1)?.id ?? "",
  });
  assert.equal(rest.headers["content-type"], "text/event-stream");
  assert.equal(rest.events.at(-1)?.data["state"], "done");
  const ids = [...left.events, ...rest.events].map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  assert.equal((await get(`${base}${path}/events`, { cookie: "user=bob" })).status, 403);
  assert.equal((await get(`${base}${path}/events`)).status, 403);

  const rendered = await fetch(base + (await enqueue()), { headers });
  assert.equal(rendered.status, 200);
  assert.match(await rendered.text(), /<h1>Your import is .*<progress [^>]*aria-label="Import"/s);

  const browser = await startChromium(scope);
  const context = await browser.newContext();
  await context.addCookies([{ name: "user", value: "ann", url: base }]);
  const page = await context.newPage();
  await page.goto(base + (await enqueue()));
  await page.waitForURL("**/files");
});
