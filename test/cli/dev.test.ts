import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { eventually, freePort, type Scope } from "../helpers/resources.ts";
import { collect, whoAnswers, World } from "./world.ts";

/** A server that answers with a text, at the port of PORT or another one. */
const server = (text: string, port: number | string = "process.env.PORT"): string => `
  require("node:http").createServer((_, response) => response.end(${JSON.stringify(text)}))
    .listen(Number(${port}), "127.0.0.1", () => console.log("serves ${text}"));`;

/** A `newel dev` under test. */
class Dev {
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  readonly #world: World;

  constructor(world: World, ...words: string[]) {
    this.#world = world;
    this.child = world.start("dev", ...words);
    this.stdout = collect(this.child.stdout);
    this.stderr = collect(this.child.stderr);
    this.ended = once(this.child, "close").then(([code]: unknown[]) => code);
  }

  async says(text: string | RegExp): Promise<void> {
    const found = (): boolean =>
      typeof text === "string" ? this.stderr().includes(text) : text.test(this.stderr());
    await eventually(found, String(text)).catch((error: unknown) => {
      throw new Error(`${String(text)} is not in:\n${this.stderr()}`, { cause: error });
    });
  }

  async prints(text: RegExp): Promise<void> {
    await eventually(() => text.test(this.stdout()), String(text));
  }

  /** Ctrl-C, and nothing is left. */
  async end(): Promise<void> {
    this.child.kill("SIGINT");
    assert.equal(await this.ended, 0, this.stderr());
    this.nothingLeft();
  }

  nothingLeft(): void {
    const parent = join(this.#world.home, "dev");
    assert.deepEqual(existsSync(parent) ? readdirSync(parent) : [], []);
    assert.deepEqual(processesOf(this.#world), []);
  }
}

/** The command lines of living processes that belong to the homes or the directory of a world. */
function processesOf(world: World): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return [];
    const [command, environment] = ["cmdline", "environ"].map((file) =>
      read(`/proc/${pid}/${file}`),
    );
    const isOurs = [command, environment].some((text = "") => text.includes(world.home));
    return isOurs && command !== "" ? [`${pid} ${command?.replaceAll("\0", " ")}`] : [];
  });
}

function read(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}

async function configured(scope: Scope): Promise<{ world: World; port: number; config: object }> {
  const world = new World(scope);
  const port = await freePort();
  world.write("server.cjs", server("one"));
  world.write("clock.cjs", `console.log("tick"); setInterval(() => {}, 1e6);`);
  const config = {
    name: "tiny",
    services: {
      web: {
        node: "server.cjs",
        listen: `127.0.0.1:${port}`,
        env: { PORT: port },
        replicas: 2,
        watch: { paths: ["server.cjs", "lib"] },
      },
      clock: { run: ["node", "clock.cjs"], watch: { paths: ["clock.cjs"] } },
    },
  };
  world.configure(config);
  return { world, port, config };
}

test("newel dev restarts a changed service, waits while it is broken, and leaves nothing behind", async (t) => {
  const { world, port, config } = await configured(t);
  const dev = new Dev(world);
  await dev.says(/tiny is up: web 1\/1 on 127\.0\.0\.1:\d+; clock 1\/1\.\n/);
  await dev.says("Watching server.cjs, lib, clock.cjs (Ctrl-C ends it).");
  await dev.prints(/web\.1 +\| serves one/);
  assert.equal(await whoAnswers(port), "one");

  world.write("server.cjs", server("two"));
  await dev.says(/server\.cjs changed: restarting web\n.*web ready after/s);
  assert.equal(await whoAnswers(port), "two");
  assert.equal(dev.stdout().match(/tick/g)?.length, 1);

  world.write("server.cjs", "throw new Error('broken on purpose')");
  await dev.says(/error: web\.1 .*exit code 1.*\nWaiting for the next change\./);
  await dev.prints(/broken on purpose/);
  const waiting = whoAnswers(port);
  world.write("server.cjs", server("three"));
  assert.equal(await waiting, "three");
  assert.equal(dev.stdout().match(/Error: broken on purpose/g)?.length, 1);

  world.write("clock.cjs", "process.exit(0)");
  await dev.says("clock has ended with exit code 0. The next change starts it again.");

  world.write("newel.config.json", "{");
  await dev.says(/newel\.config\.json changed: reading the configuration\n.*NEWEL_E_CONFIG/s);
  const { services } = config as { services: object };
  const late = { run: "echo late is here; sleep 1000", watch: false };
  world.configure({ ...config, services: { ...services, late } });
  await dev.prints(/late is here/);
  assert.equal(await whoAnswers(port), "three");
  await dev.end();
});

test("a program that is broken at the start is started by the correction; a request waits for it", async (t) => {
  const { world, port } = await configured(t);
  world.write("server.cjs", "throw new Error('broken')");
  const dev = new Dev(world, "web");
  await dev.says("Waiting for the next change.");
  const waiting = whoAnswers(port);
  world.write("server.cjs", server("corrected"));
  assert.equal(await waiting, "corrected");
  await dev.says(/tiny is up: web 1\/1 on 127\.0\.0\.1:\d+\.\n/);
  await dev.end();
});

test("without a configuration: the port is learned, a second one is refused, SIGKILL leaves nothing", async (t) => {
  const world = new World(t);
  const port = await freePort();
  world.write("server.cjs", server("one", port));
  // The source says nothing about the port.
  world.write("port.cjs", `module.exports = ${port};`);
  world.write("server.cjs", server("one", 'require("./port.cjs")'));
  const dev = new Dev(world, "--", "node", "server.cjs");
  await dev.says(new RegExp(`server listens on port ${port}: starting it again`));
  await dev.says(new RegExp(`server is up: server 1/1 on 127\\.0\\.0\\.1:${port}\\.`));
  world.write("server.cjs", server("two", 'require("./port.cjs")'));
  await dev.says("server ready after");
  assert.equal(await whoAnswers(port), "two");

  const second = await world.newel("dev", "--", "node", "server.cjs");
  assert.equal(second.code, 1);
  assert.match(second.stderr, new RegExp(`\\(pid ${dev.child.pid}\\).*\\n.*NEWEL_E_DEV_RUNNING`));

  dev.child.kill("SIGKILL");
  await eventually(() => processesOf(world).length === 0, "everything has ended");
  await eventually(
    () => readdirSync(join(world.home, "dev")).every((name) => name.endsWith(".lock")),
    "the home is removed",
  );
});

test("newel dev runs the script dev of package.json; a port that newel up holds is refused", async (t) => {
  const world = new World(t);
  const port = await freePort();
  world.write("server.cjs", server("script", port));
  world.write("package.json", `{ "scripts": { "start": "false", "dev": "node server.cjs" } }`);
  const dev = new Dev(world, "--name", "site", "--port", String(port));
  await dev.says(/Running the script "dev" of package\.json: node server\.cjs\n/);
  await dev.says(`site is up: site 1/1 on 127.0.0.1:${port}.`);
  assert.equal(await whoAnswers(port), "script");
  await dev.end();

  world.configure({
    name: "tiny",
    services: { web: { node: "server.cjs", listen: `127.0.0.1:${port}` } },
  });
  await world.succeed("up");
  const refused = await world.newel("dev");
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /newel's (?:kernel|supervisor) of the home .*NEWEL_E_ADDRESS_TAKEN/s,
  );
  assert.equal(await whoAnswers(port), "script");
  rmSync(join(world.directory, "newel.config.json"));
  rmSync(join(world.directory, "package.json"));
  assert.equal((await world.newel("dev")).code, 6);
});
