// The programs of docs/guide/jobs-web.md, as they stand there.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";

import { transformSync } from "esbuild";

import {
  eventually,
  freePort,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../../helpers/resources.ts";
import type { AnyDefinition, JobDefinition } from "../../../src/jobs/definition.ts";
import { Jobs } from "../../../src/jobs/jobs.ts";
import { get } from "./browser.ts";
import { guideFiles, makeProject, ROOT, without, write } from "./guide.ts";

const store = `sqlite:${join(temporaryDirectory({ after }), "jobs.db")}`;
const project = makeProject({ after });
const env = { ...process.env, NEWEL_JOBS_STORE: store };
const serving = startJobServer();

/** The job server of all the sites, as the guide says to start it. */
async function startJobServer(): Promise<void> {
  const words = [join(ROOT, "src/cli/main.ts"), "jobs", "server", "--modules", "src/jobs.ts"];
  await started({ after }, words, env, (printed) => printed.includes("The job server runs"));
}

async function started(
  scope: Scope,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
  isReady: (printed: string) => boolean | Promise<boolean>,
): Promise<void> {
  const child = startProcess(scope, process.execPath, words, { cwd: project, env });
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => (printed += text));
  await eventually(() => isReady(printed), `${words.join(" ")} runs`, 20_000).catch((error) => {
    throw new Error(`${String(error)}: ${printed}`);
  });
}

/** Starts a program of the guide and goes through an import, as a browser does. */
async function tryProgram(scope: Scope, file: string): Promise<void> {
  await serving;
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  await started(scope, [file], { ...env, PORT: String(port) }, () =>
    fetch(base).then(
      () => true,
      () => false,
    ),
  );
  const user = file.replaceAll(/\W/g, "");
  const headers = { cookie: `user=${user}` };
  const posted = await ask(`${base}/imports`, { method: "POST", headers });
  assert.equal(posted.status, 303);
  const path = posted.headers.get("location") ?? "";
  assert.match(path, /^\/imports\/[\w~-]+$/);
  const again = await ask(`${base}/imports`, { method: "POST", headers });
  assert.equal(again.headers.get("location"), path, "a double click is one import");

  const page = await ask(base + path, { headers });
  assert.equal(page.status, 200);
  assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
  assert.ok((await page.text()).includes(`<job-progress src="${path}/events"`));
  const script = await ask(`${base}/job-progress.js`);
  assert.match(script.headers.get("content-type") ?? "", /^text\/javascript/);
  assert.match(await script.text(), /customElements/);

  const left = await get(`${base}${path}/events`, headers, (text) => text.includes("data: "));
  const from = left.events.at(-1)?.id ?? "";
  const rest = await get(`${base}${path}/events`, { ...headers, "Last-Event-ID": from });
  assert.equal(rest.headers["content-type"], "text/event-stream");
  const ids = [...left.events, ...rest.events].map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(rest.events.at(-1)?.data["state"], "done");
  assert.deepEqual(rest.events.at(-1)?.data["result"], { imported: 20 });
  const last = await get(`${base}${path}/events`, {
    ...headers,
    "Last-Event-ID": rest.events.at(-1)?.id ?? "",
  });
  assert.equal(last.status, 204);

  const finished = await ask(base + path, { headers });
  assert.equal(finished.status, 303);
  assert.equal(finished.headers.get("location"), "/files");
  for (const cookie of ["user=mallory", ""])
    assert.equal((await get(`${base}${path}/events`, { cookie })).status, 403);
  assert.equal((await ask(base + path, { headers: { cookie: "user=mallory" } })).status, 404);
  assert.equal((await ask(`${base}/imports`, { method: "POST" })).status, 401);
}

function ask(url: string, options: RequestInit = {}): Promise<Response> {
  return fetch(url, { ...options, redirect: "manual" });
}

for (const framework of ["fastify", "express", "hono"])
  test(`the program for ${framework}`, async (scope) => {
    await tryProgram(scope, `src/${framework}.ts`);
  });

test("the program with one stream for all runs of a page", async (scope) => {
  await serving;
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  await started(scope, ["src/feed.ts"], { ...env, PORT: String(port) }, () =>
    fetch(base).then(
      () => true,
      () => false,
    ),
  );
  const { importCsv } = (await import(join(project, "src/jobs.ts"))) as {
    importCsv: AnyDefinition;
  };
  await using jobs = new Jobs({ store });
  const ids: string[] = [];
  for (const by of ["ann", "ann", "bob"])
    ids.push((await jobs.enqueue(importCsv as JobDefinition, { rows: 3 }, { by })).id);
  const query = ids.map((id) => `run=${encodeURIComponent(id)}`).join("&");
  const told = await get(`${base}/runs/events?${query}`, { cookie: "user=ann" });
  const ends = told.events.filter(({ data }) => data["state"] === "done" || data["status"]);
  assert.deepEqual(
    new Map(ends.map(({ data }) => [data["run"], data["state"] ?? data["status"]])),
    new Map<unknown, unknown>([
      [ids[0], "done"],
      [ids[1], "done"],
      [ids[2], 403],
    ]),
  );
  assert.equal((await get(`${base}/runs/events?${query}`)).status, 403);
});

test("the program for NestJS", { skip: without("nest") }, async (scope) => {
  const { code } = transformSync(readFileSync(join(project, "src/nest.ts"), "utf8"), {
    loader: "ts",
    tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
  });
  write(join(project, "src/nest.js"), code);
  await tryProgram(scope, "src/nest.js");
});

test("their types are right", () => {
  const include = [...guideFiles().keys()].filter((name) => /^src\/\w+\.ts$/.test(name));
  const compilerOptions = {
    target: "esnext",
    module: "nodenext",
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    experimentalDecorators: true,
    types: ["node"],
  };
  const files = include.filter((name) => without("nest") === false || !name.includes("nest"));
  write(join(project, "tsconfig.json"), JSON.stringify({ files, compilerOptions }));
  const { stdout, status } = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", project], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout);
});
