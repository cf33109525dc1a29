import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import {
  cleanUp,
  eventually,
  freePort,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../helpers/resources.ts";

const REPO = fileURLToPath(new URL("../..", import.meta.url));
const OLDEST_NODE = "24.21.0";
/** The hook and the element are for programs with React, and for browsers. */
const NOT_IN_NODE = ["./package.json", "./jobs/react", "./jobs/element", "./register"];
const MOST_FILES = 7;

const scope = { after };
const directory = temporaryDirectory(scope);
const oldNodeDirectory = temporaryDirectory(scope);
const NODES = {
  "the oldest Node.js": join(oldNodeDirectory, "node_modules/node/bin/node"),
  "the newest Node.js": process.execPath,
};

interface Manifest {
  readonly exports: Readonly<Record<string, unknown>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readFileSync(join(REPO, "package.json"), "utf8")) as Manifest;
const subpaths = Object.keys(manifest.exports).filter((name) => !NOT_IN_NODE.includes(name));
const specifiers = subpaths.map((name) => `newel${name.slice(1)}`);

function npm(cwd: string, ...args: string[]): string {
  return execFileSync("npm", [...args, "--no-audit", "--no-fund"], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
}

before(() => {
  execFileSync("npm", ["run", "build"], { cwd: REPO, stdio: "ignore" });
  const packed = npm(REPO, "pack", "--ignore-scripts", "--pack-destination", directory);
  const user = '{ "name": "user", "private": true, "type": "module" }\n';
  writeFileSync(join(directory, "package.json"), user);
  // As a careful user does: no install script of any dependency runs.
  npm(directory, "install", "--ignore-scripts", join(directory, packed.trim()));
  writeFileSync(
    join(oldNodeDirectory, "package.json"),
    '{ "private": true, "allowScripts": { "node": true } }',
  );
  npm(oldNodeDirectory, "install", `node@${OLDEST_NODE}`);
});

/** Runs a module in the user's directory; returns its output. */
function runModule(
  program: string,
  node: string = process.execPath,
  env: NodeJS.ProcessEnv = {},
): string {
  writeFileSync(join(directory, "program.mjs"), program);
  const { status, stdout, stderr } = spawnSync(node, ["program.mjs"], {
    cwd: directory,
    env: { ...process.env, ...env },
    encoding: "utf8",
    timeout: 120_000,
  });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

/** Prints the JavaScript files of newel that an import loads. */
const filesOf = (specifier: string): string => `
  import { registerHooks } from "node:module";
  const files = new Set();
  registerHooks({
    load: (url, context, next) => {
      if (url.startsWith("file:")) files.add(url);
      return next(url, context);
    },
  });
  await import(${JSON.stringify(specifier)});
  console.log([...files].join("\\n"));`;

test("each subpath loads at most 7 files, and no file of another package", () => {
  for (const specifier of specifiers) {
    const files = runModule(filesOf(specifier)).split("\n");
    const others = files.filter((file) => !/\/node_modules\/newel\/dist\//.test(file));
    assert.deepEqual(others, [], specifier);
    assert.ok(files.length <= MOST_FILES, `${specifier}: ${files.join(" ")}`);
  }
});

test("each subpath has a source map that names the sources", () => {
  const seen = new Set<string>();
  for (const specifier of specifiers)
    for (const url of runModule(filesOf(specifier)).split("\n")) seen.add(fileURLToPath(url));
  for (const file of seen) {
    const { sources, sourcesContent } = JSON.parse(readFileSync(`${file}.map`, "utf8")) as {
      sources: string[];
      sourcesContent: (string | null)[];
    };
    assert.equal(sources.length, sourcesContent.length, file);
    assert.ok(sourcesContent.every((text) => text !== null));
  }
});

/** Imports all subpaths in an order, and fails unless each name is one value in all of them. */
const identities = (order: readonly string[]): string => `
  import assert from "node:assert/strict";
  const owners = new Map();
  const modules = {};
  for (const specifier of ${JSON.stringify(order)}) modules[specifier] = await import(specifier);
  let shared = 0;
  for (const [specifier, module] of Object.entries(modules))
    for (const [name, value] of Object.entries(module)) {
      if (owners.has(name)) shared += 1;
      assert.equal(value, owners.get(name) ?? value, specifier + " has its own " + name);
      owners.set(name, value);
    }
  assert.ok(shared >= 3, "defineWorker, Worker and ResourceReporter are in two subpaths");
  const { NewelError } = modules.newel;
  const errorOf = async (cause) => {
    try {
      await cause();
    } catch (error) {
      return error;
    }
    throw new Error("nothing was thrown");
  };
  const causes = {
    bus: async () => {
      const bus = new modules["newel/bus"].Bus();
      await bus.exit();
      await bus.start();
    },
    pool: () => new modules["newel/pool"].Pool({}),
    kernel: () => modules["newel/kernel"].connect({ path: "/none.sock", autostart: false }),
    singleton: () => modules["newel/singleton"].singleton(class {}, { name: "" }),
    supervisor: () => modules["newel/supervisor"].loadConfig({ cwd: "/none", environment: {} }),
    jobs: () => new modules["newel/jobs"].Jobs({ store: "nonsense:" }).list(),
  };
  for (const [part, cause] of Object.entries(causes)) {
    const error = await errorOf(cause);
    assert.ok(error instanceof NewelError, part + ": " + error.stack);
  }
  process.exit(0);`;

test("each subpath exports the names that its source exports, and no others", () => {
  const { exports } = manifest as unknown as { exports: Record<string, { default: string }> };
  for (const subpath of subpaths) {
    const source = exports[subpath]?.default.replace("./dist/", "src/").replace(".js", ".ts");
    const namesOf = (specifier: string): string =>
      `console.log(Object.keys(await import(${JSON.stringify(specifier)})).sort().join(" ")); process.exit(0);`;
    const url = pathToFileURL(join(REPO, source ?? assert.fail(subpath))).href;
    assert.equal(runModule(namesOf(`newel${subpath.slice(1)}`)), runModule(namesOf(url)), subpath);
  }
});

test("each class and registry exists once, in every order of the imports", () => {
  const rotated = specifiers.map((_, by) => [...specifiers.slice(by), ...specifiers.slice(0, by)]);
  const orders = [...rotated, specifiers.toReversed()];
  for (const order of orders) runModule(identities(order));
});

test("only built files are shipped, and nothing runs at the installation", () => {
  const [{ files }] = JSON.parse(npm(REPO, "pack", "--dry-run", "--json", "--ignore-scripts")) as [
    { files: { path: string }[] },
  ];
  const strange = files
    .map(({ path }) => path)
    .filter(
      (path) =>
        !/^(dist\/|docs\/.*\.(?:md|svg)$|systemd\/.*\.service$|package\.json|README|LICENSE|CHANGELOG|SECURITY)/.test(
          path,
        ),
    );
  assert.deepEqual(strange, []);
  assert.ok(!files.some(({ path }) => path.endsWith(".ts") && !path.endsWith(".d.ts")));
  const installed = JSON.parse(
    readFileSync(join(directory, "node_modules/newel/package.json"), "utf8"),
  ) as Manifest;
  const scripts = Object.keys(installed.scripts ?? {});
  // npm lists a package with one of these among those that want to run code, even if it does not run it.
  const atInstall = ["preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare"];
  assert.deepEqual(
    scripts.filter((name) => atInstall.includes(name)),
    [],
  );
});

test("newel help CODE names a section of the page of errors in the package", () => {
  const command = join(directory, "node_modules/.bin/newel");
  const { status, stdout } = spawnSync(command, ["help", "NEWEL_E_ADDRESS_TAKEN"], {
    encoding: "utf8",
  });
  assert.equal(status, 0);
  const [page = ""] = stdout.trimEnd().split("\n").at(-1)?.split("#") ?? [];
  assert.ok(page.startsWith(directory), page);
  assert.match(readFileSync(page, "utf8"), /^### NEWEL_E_ADDRESS_TAKEN$/m);
});

test("without BullMQ a call on jobs is refused with the command that installs it", () => {
  const program = `
    import { Jobs } from "newel/jobs";
    await new Jobs({ store: "sqlite:./none.db" }).list().catch((error) => console.log(error.code, error.message, error.fix));
    process.exit(0);`;
  const printed = runModule(program);
  assert.match(printed, /^NEWEL_E_JOBS_BULLMQ /);
  assert.match(printed, new RegExp(`npm install bullmq@${manifest.devDependencies["bullmq"]}`));
});

for (const [name, node] of Object.entries(NODES)) {
  test(`${name}: the command brings a service up, reloads it and takes it down`, async (t) => {
    await upReloadDown(t, node);
  });

  test(`${name}: the kernel's program starts from the package`, async (t) => {
    const child = startProcess(t, node, [
      join(directory, "node_modules/newel/dist/kernel/main.js"),
      "--home",
      temporaryDirectory(t),
    ]);
    const [line] = (await once(child.stdout ?? child, "data")) as [Buffer];
    assert.match(line.toString(), /kernel/);
  });

  test(`${name}: a pool, a singleton and a bus run`, (t) => {
    writeFileSync(
      join(directory, "worker.mjs"),
      `import { defineWorker } from "newel/pool/worker";
       export default defineWorker({ task: (number) => number * 2 });`,
    );
    const program = `
      import { pathToFileURL } from "node:url";
      import { Bus, signals } from "newel/bus";
      import { Pool } from "newel/pool";
      import { singleton } from "newel/singleton";
      const worker = pathToFileURL("worker.mjs").href;
      const doubled = [];
      for (const kind of ["process", "thread"]) {
        await using pool = new Pool({ worker, kind, size: 1 });
        doubled.push(await pool.run(21));
      }
      class Counter { #count = 0; increment() { return (this.#count += 1); } }
      await using counter = await singleton(Counter, { name: "counter-" + process.pid });
      const bus = new Bus();
      signals(bus);
      await bus.start();
      console.log(JSON.stringify([doubled, await counter.increment(), bus.state]));
      await bus.exit();`;
    const printed = runModule(program, node, { NEWEL_HOME: temporaryDirectory(t) });
    assert.deepEqual(JSON.parse(printed), [[42, 42], 1, "started"]);
  });
}

test("with BullMQ a job server of the package runs a job", async (t) => {
  npm(directory, "install", "--ignore-scripts", `bullmq@${manifest.devDependencies["bullmq"]}`);
  writeFileSync(
    join(directory, "jobs.mjs"),
    `import { job } from "newel/jobs";
     export const double = job("double", {}, async ({ number }) => number * 2);`,
  );
  const store = `sqlite:${join(temporaryDirectory(t), "jobs.db")}`;
  const home = { NEWEL_HOME: temporaryDirectory(t) };
  for (const node of Object.values(NODES)) {
    const program = [join(directory, "node_modules/newel/dist/cli/main.js"), "jobs", "server"];
    const options = ["--modules", "jobs.mjs", "--store", store];
    const server = startProcess(t, node, [...program, ...options], {
      cwd: directory,
      env: { ...process.env, ...home },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const result = runModule(
      `import { setTimeout as sleep } from "node:timers/promises";
       import { jobs } from "newel/jobs";
       import { double } from "./jobs.mjs";
       jobs.use({ store: ${JSON.stringify(store)} });
       let run = await double.enqueue({ number: 21 });
       while (run.state !== "done" && run.state !== "failed") {
         await sleep(50);
         run = await jobs.get(run.id);
       }
       console.log(run.result);
       await jobs.close();`,
      node,
      home,
    );
    assert.equal(result, "42");
    server.kill("SIGTERM");
    await once(server, "exit");
  }
});

async function upReloadDown(t: Scope, node: string): Promise<void> {
  const home = temporaryDirectory(t);
  /** The command as npm installs it. */
  const newel = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(node, [join(directory, "node_modules/.bin/newel"), ...args], {
      cwd: directory,
      env: { ...process.env, NEWEL_HOME: home },
      encoding: "utf8",
      timeout: 120_000,
    });
  cleanUp(t, () => void newel("down", "--all"));
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
  await eventually(
    () => newel("kernel", "status").status === 5,
    "the daemons end with the last app",
    60_000,
  );
}
