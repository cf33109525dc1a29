// Soak: good deploys one after the other under load, and rollbacks, with the built newel; then the same app under pm2 with
// `git pull`, `npm ci` and `pm2 reload`: `node test/soak/good-deploys.ts [--deploys 20] [--sources] [--no-pm2]
// [--no-newel]`. It installs the packages of bench/ where they are missing. Prints figures; exit code 1 when a request to
// newel or a deploy failed, or a chunk of an earlier release is gone.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { preparePeers } from "../../bench/prepare.ts";
import { World } from "../cli/world.ts";
import { load, type Load, Repository } from "../deploy/repository.ts";
import { eventually, freePort, type Scope, temporaryDirectory } from "../helpers/resources.ts";
import { withScope } from "../load/scope.ts";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const PM2 = fileURLToPath(new URL("../../bench/node_modules/pm2/bin/pm2", import.meta.url));

const { values } = parseArgs({
  options: {
    deploys: { type: "string", default: "20" },
    sources: { type: "boolean", default: false },
    "no-pm2": { type: "boolean", default: false },
    "no-newel": { type: "boolean", default: false },
  },
});
const deploys = Number(values.deploys);
/** How many deploys later a page still loads its chunks. */
const PAGES_BACK = 3;

/** Serves the files of dist/, as a page that loads its chunks does. */
const CHUNKS = `
  const { readFile } = await import("node:fs/promises");
  server.removeAllListeners("request");
  server.on("request", async (request, response) => {
    if (!request.url.startsWith("/dist/")) return response.end(VERSION + " " + built);
    try { response.end(await readFile("." + request.url)); }
    catch { response.writeHead(404).end(); }
  });`;

function change(version: string): object {
  return {
    server: CHUNKS.replace("VERSION", JSON.stringify(version)),
    deploy: {
      build: `mkdir -p dist && echo built-${version} > built && echo ${version} > dist/${version}.js`,
      assets: ["dist"],
      verify: { for: "300ms" },
      keep: 5,
    },
  };
}

function statusOf(port: number, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      response.resume().once("end", () => resolve(response.statusCode ?? 0));
    }).once("error", reject);
  });
}

/** Runs something and measures the time until an answer begins with a text. */
async function timed(
  repository: Repository,
  text: string,
  run: () => Promise<unknown>,
): Promise<number> {
  const began = performance.now();
  const running = run();
  let live = Number.NaN;
  const seen = eventually(
    async () => (await repository.answer().catch(() => "")).startsWith(`${text} `),
    `${text} is live`,
    120_000,
  ).then(() => (live = performance.now() - began));
  await running;
  await seen;
  return live;
}

function median(numbers: readonly number[]): number {
  return Math.round(numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0);
}

function report(name: string, requests: Load, more: string): void {
  const kinds = new Set(requests.failures.map((text) => text.replace(/127\.0\.0\.1:\d+/, "…")));
  const why = kinds.size === 0 ? "" : ` (${[...kinds].join(", ")})`;
  console.log(
    `${name}: ${requests.answers} requests, ${requests.failures.length} failed${why}; ${more}`,
  );
}

async function runNewel(scope: Scope): Promise<boolean> {
  const world = values.sources ? new World(scope) : new World(scope, { main: CLI });
  const repository = new Repository(world, await freePort());
  const commit = (version: string): void => repository.commit(version, change(version));
  commit("v0");
  await world.succeed("deploy");
  const requests = load(scope, repository.port);
  const live: number[] = [];
  const missing: string[] = [];
  for (let index = 1; index <= deploys; index += 1) {
    commit(`v${index}`);
    live.push(await timed(repository, `v${index}`, () => world.succeed("deploy")));
    const page = Math.max(0, index - PAGES_BACK);
    const status = await statusOf(repository.port, `/dist/v${page}.js`);
    if (status !== 200) missing.push(`v${page}.js in v${index}: ${status}`);
  }
  const back = await timed(repository, `v${deploys - 1}`, () => world.succeed("rollback"));
  await requests.end();
  report(
    `newel, ${deploys} deploys and a rollback`,
    requests,
    `first answer of the new release after ${median(live)} ms (median), of the former one after ${Math.round(back)} ms (rollback)`,
  );
  // The hooks of a program run in reverse: the directories would go first.
  await world.succeed("down", "--all");
  for (const each of missing) console.log(`  a chunk is gone: ${each}`);
  return requests.failures.length === 0 && missing.length === 0;
}

/** The deploy that people run by hand: the files change below the running app. */
async function runPm2(scope: Scope): Promise<void> {
  preparePeers();
  const home = temporaryDirectory(scope);
  const origin = new Repository(new World(scope), await freePort());
  const place = join(home, "app");
  const env = {
    ...process.env,
    PM2_HOME: join(home, "pm2"),
    PM2_DISABLE_VERSION_CHECK: "true",
    PORT: String(origin.port),
  };
  const shell = async (line: string): Promise<number | null> => {
    const child = spawn("/bin/sh", ["-ec", line], { cwd: place, env, stdio: "ignore" });
    const [code] = (await once(child, "exit")) as [number | null];
    return code;
  };
  const pm2 = `${process.execPath} ${PM2}`;
  const commit = (version: string, server = ""): void => {
    const good = change(version) as { readonly server: string };
    origin.world.write("package.json", '{ "name": "shop", "version": "1.0.0", "type": "module" }');
    origin.world.write(
      "package-lock.json",
      '{ "name": "shop", "version": "1.0.0", "lockfileVersion": 3, "packages": { "": { "name": "shop", "version": "1.0.0" } } }',
    );
    origin.world.write("built", version);
    origin.world.write(`dist-${version}.js`, version);
    origin.commit(version, { ...good, server: good.server + server });
  };
  commit("v0");
  execFileSync("git", ["clone", "-q", origin.world.directory, place]);
  scope.after(() => shell(`${pm2} kill`).then(() => undefined));
  await shell(`${pm2} start server.mjs -i 2 --name shop`);
  await eventually(async () => (await origin.answer().catch(() => "")) !== "", "pm2 serves");
  const deploy = (): Promise<number | null> =>
    shell(`git pull -q && npm ci --silent && ${pm2} reload shop`);
  const requests = load(scope, origin.port);
  const codes = new Set<number | null>();
  for (let index = 1; index <= deploys; index += 1) {
    commit(`v${index}`);
    codes.add(await deploy());
  }
  await requests.end();
  report(
    `pm2, ${deploys} × git pull, npm ci, pm2 reload`,
    requests,
    `exit codes ${[...codes].join(", ")}`,
  );
  commit("broken", '\n throw new Error("no database");');
  const broken = load(scope, origin.port);
  const code = await deploy();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  await broken.end();
  const answer = await origin.answer().catch((error: unknown) => String(error));
  report(
    "pm2, a release that throws at boot",
    broken,
    `exit code ${code}, then: ${answer.slice(0, 60)}`,
  );
}

const isGood = await withScope(async (scope) => {
  const good = values["no-newel"] || (await runNewel(scope));
  if (!values["no-pm2"]) await runPm2(scope);
  return good;
});
process.exitCode = isGood ? 0 : 1;
