import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, after, test } from "node:test";
import { fileURLToPath } from "node:url";

import {
  cleanUp,
  eventually,
  freePort,
  startProcess,
  temporaryDirectory,
} from "../helpers/resources.ts";

const REPO = fileURLToPath(new URL("../..", import.meta.url));
const scope = { after };
const directory = temporaryDirectory(scope);
const home = temporaryDirectory(scope);
// Before the directories go.
cleanUp(scope, () => void newel("down", "--all"));
const environment = { ...process.env, NEWEL_HOME: home };

/** The command as npm installs it. */
function newel(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(join(directory, "node_modules/.bin/newel"), args, {
    cwd: directory,
    env: environment,
    encoding: "utf8",
    timeout: 60_000,
  });
}

before(() => {
  execFileSync("npm", ["run", "build"], { cwd: REPO, stdio: "ignore" });
  const packed = execFileSync(
    "npm",
    ["pack", "--ignore-scripts", "--pack-destination", directory],
    {
      cwd: REPO,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  writeFileSync(
    join(directory, "package.json"),
    '{ "name": "user", "private": true, "type": "module" }\n',
  );
  // As a careful user does: no install script of any dependency runs.
  execFileSync(
    "npm",
    ["install", "--ignore-scripts", "--no-audit", "--no-fund", join(directory, packed.trim())],
    {
      cwd: directory,
      stdio: "ignore",
    },
  );
});

test("each subpath can be imported and names its exports", () => {
  const { exports } = JSON.parse(readFileSync(join(REPO, "package.json"), "utf8")) as {
    exports: Record<string, unknown>;
  };
  // The hook is for programs that have React, an optional peer.
  const left = ["./package.json", "./jobs/react"];
  const subpaths = Object.keys(exports).filter((name) => !left.includes(name));
  const program = subpaths.map(
    (name) =>
      `console.log(${JSON.stringify(name)}, Object.keys(await import(${JSON.stringify(`newel${name.slice(1)}`)})).length);`,
  );
  const printed = execFileSync(
    process.execPath,
    ["--input-type=module", "-e", program.join("\n")],
    {
      cwd: directory,
      encoding: "utf8",
    },
  );
  assert.deepEqual(
    printed
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[0]),
    subpaths,
  );
  assert.match(printed, /^\. [1-9]/m);
});

test("only what is built is shipped", () => {
  const { stdout } = spawnSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: REPO,
    encoding: "utf8",
  });
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  const strange = files
    .map(({ path }) => path)
    .filter(
      (path) =>
        !/^(dist\/|systemd\/.*\.service$|package\.json|README|LICENSE|CHANGELOG|SECURITY)/.test(
          path,
        ),
    );
  assert.deepEqual(strange, []);
  assert.ok(!files.some(({ path }) => path.endsWith(".ts") && !path.endsWith(".d.ts")));
});

test("the installed command brings a service up, reloads it and takes it down", async (t) => {
  const port = await freePort();
  writeFileSync(
    join(directory, "server.mjs"),
    `import { createServer } from 'node:http'; createServer((request, response) => response.end('ok ' + process.pid)).listen(${port}, '127.0.0.1');`,
  );
  writeFileSync(
    join(directory, "newel.config.mjs"),
    `import { defineConfig } from 'newel';
     export default defineConfig({ name: 'packed', services: { web: { node: 'server.mjs', listen: '127.0.0.1:${port}', ready: { stable: '100ms' } } } });`,
  );
  const up = newel("up");
  assert.equal(up.status, 0, up.stderr);
  const get = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}`, { headers: { connection: "close" } })).text();
  const first = await get();
  assert.match(first, /^ok \d+$/);
  assert.equal(newel("reload", "web").status, 0);
  assert.notEqual(await get(), first);
  const listed = newel("ps", "--json");
  assert.equal(listed.status, 0, listed.stderr);
  assert.match(listed.stdout, /"web"/);
  const down = newel("down");
  assert.equal(down.status, 0, down.stderr);
  await assert.rejects(get());
  t.diagnostic("the daemons end with the last app");
  await eventually(() => newel("kernel", "status").status === 5, "nothing is left");
});

test("the kernel's program starts from the package", async (t) => {
  const child = startProcess(t, process.execPath, [
    join(directory, "node_modules/newel/dist/kernel/main.js"),
    "--home",
    temporaryDirectory(t),
  ]);
  const [line] = (await once(child.stdout ?? child, "data")) as [Buffer];
  assert.match(line.toString(), /kernel/);
});
