import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { eventually, freePort } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { smallFileSystem } from "../helpers/small-file-system.ts";
import { runHere } from "./capture.ts";
import { World } from "./world.ts";

interface Setting {
  readonly path: string;
  readonly file: string;
  readonly line: number;
  readonly isDefault: boolean;
}

interface Found {
  readonly service: string;
  readonly ok: boolean;
  readonly state: string;
  readonly cause: string;
  readonly what: string;
  readonly facts: readonly string[];
  readonly lines: readonly string[];
  readonly settings: readonly Setting[];
  readonly fix?: string;
  readonly advice?: string;
}

interface Why {
  readonly v: number;
  readonly ok: boolean;
  readonly problems: readonly { readonly cause: string; readonly what: string }[];
  readonly notes: readonly string[];
  readonly services: readonly Found[];
}

/** One app for all tests of this file, whose services fail when the file `go` appears. */
const world = new World({ after });
const small = smallFileSystem({ after }, 65_536);
const server = createServer();
let port = 0;
let illPort = 0;
/** A server whose health ends when `go` appears, unless it began after that. */
const ILL = `
import { createServer } from "node:http";
import { existsSync } from "node:fs";
const isSecond = existsSync("go");
createServer((request, response) => {
  response.statusCode = request.url !== "/healthz" || isSecond || !existsSync("go") ? 200 : 503;
  response.end(String(process.pid));
}).listen(Number(process.argv[2]), "127.0.0.1", () => console.log("serves"));
`;

const WAIT = "until [ -e go ]; do sleep 0.05; done";
const WAIT_JS =
  'import { existsSync } from "node:fs"; while (!existsSync("go")) await new Promise((done) => setTimeout(done, 50));';

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  illPort = await freePort();
  world.write("ill.mjs", ILL);
  port = typeof address === "object" && address !== null ? address.port : 0;
  world.write(
    "module.mjs",
    `${WAIT_JS} console.log("loads a module"); await import("./gone.mjs");`,
  );
  world.write(
    "port.mjs",
    `${WAIT_JS} console.log("takes a port"); (await import("node:net")).createServer().listen(${port}, "127.0.0.1");`,
  );
  world.write("tool.sh", `#!/bin/sh\n${WAIT}; echo the tool ends; exit 3\n`);
  chmodSync(join(world.directory, "tool.sh"), 0o755);
  configure({});
  await world.succeed("up");
  await world.succeed("why");
});

after(() => {
  server.close();
});

/** The configuration as a file with one setting a line, so that each has its own line. */
function configure(others: Readonly<Record<string, object>>): void {
  const ready = { after: "10ms" };
  const services: Record<string, object> = {
    code: { run: `${WAIT}; echo about to fail; exit 1`, restart: "never", ready },
    crash: { run: `${WAIT}; echo about to crash; kill -SEGV $$`, restart: "never", ready },
    module: { node: "module.mjs", restart: "never", ready },
    taken: { node: "port.mjs", restart: "never", ready },
    tool: { run: ["./tool.sh"], restart: { max: 1 }, ready },
    hand: { run: ["sleep", "1000"], ready },
    well: { run: ["sleep", "1000"], ready },
    ill: {
      node: "ill.mjs",
      args: [String(illPort)],
      listen: `127.0.0.1:${illPort}`,
      alive: { http: "/healthz", interval: "100ms", timeout: "5s", threshold: 2 },
      ready: { stable: "0ms" },
    },
    stuck: {
      run: ["sleep", "1000"],
      alive: { command: "echo no heartbeat; test ! -e go", interval: "100ms", threshold: 1 },
      restart: "never",
      ready,
    },
    eater: {
      run: `${WAIT}; echo eats much; exec node -e 'const a = Buffer.alloc(150e6, 1); setInterval(() => a, 1e9)'`,
      maxMemory: "100MB",
      restart: "never",
      ready,
    },
    ...(small === undefined
      ? {}
      : {
          full: {
            run: `${WAIT}; dd if=/dev/zero of=${small}/data bs=64k count=9`,
            restart: "never",
            ready,
          },
        }),
    ...others,
  };
  world.write("newel.config.json", JSON.stringify({ name: "shop", services }, undefined, 2));
}

/** The line of a setting in the file. */
function lineOf(service: string, key: string): number {
  const lines = readFileSync(join(world.directory, "newel.config.json"), "utf8").split("\n");
  const from = lines.findIndex((line) => line.includes(`"${service}": {`));
  return lines.findIndex((line, index) => index > from && line.includes(`"${key}":`)) + 1;
}

async function whyOf(...names: string[]): Promise<Why> {
  const { stdout, stderr, code } = await runHere(["why", ...names, "--json"], {
    home: world.home,
    cwd: world.directory,
  });
  assert.ok(code === 0 || code === 3, `${code}: ${stderr}`);
  const why = JSON.parse(stdout) as Why;
  assert.equal(why.ok, code === 0);
  return why;
}

async function one(service: string, state = "failed"): Promise<Found> {
  return eventually(
    async () => {
      const [found] = (await whyOf(service)).services;
      return found?.state === state ? found : undefined;
    },
    `${service} is ${state}`,
    60_000,
  );
}

/** Checks the cause, the last lines and the place of the setting that governs it. */
function check(found: Found, cause: string, words: RegExp, key: string): void {
  const shown = JSON.stringify(found, undefined, 1);
  assert.equal(found.cause, cause, shown);
  assert.ok(
    found.lines.some((line) => words.test(line)),
    shown,
  );
  const [setting] = found.settings;
  assert.equal(setting?.path, `services.${found.service}.${key}`, shown);
  assert.equal(setting.line, lineOf(found.service, key), shown);
  assert.equal(setting.file, join(world.directory, "newel.config.json"));
}

test("why is quiet and ends with 0 while every service is as it should be", async () => {
  const { code, stdout, stderr } = await world.newel("why");
  assert.deepEqual([code, stdout, stderr], [0, "", "Every service is as it should be.\n"]);
  const { services } = await whyOf("well");
  assert.deepEqual(
    services.map(({ ok, cause }) => [ok, cause]),
    [[true, "none"]],
  );
  assert.equal((await world.newel("why", "wel")).code, 4);
});

test("why names exit codes, signals, missing files, taken ports and full disks", async () => {
  world.write("go", "");
  check(await one("code"), "exit", /^about to fail$/, "run");
  const crash = await one("crash");
  check(crash, "signal", /^about to crash$/, "run");
  assert.match(crash.what, /SIGSEGV/);
  const module = await one("module");
  check(module, "missing file", /ERR_MODULE_NOT_FOUND/, "node");
  assert.match(module.facts.join("\n"), /gone\.mjs/);
  const taken = await one("taken");
  check(taken, "port taken", /EADDRINUSE/, "node");
  const owner = `port ${port}: pid ${process.pid} (`;
  assert.ok(taken.facts.join("\n").includes(owner), JSON.stringify(taken));
  const { services, ok } = await whyOf();
  assert.equal(ok, false);
  assert.ok(!services.some(({ service }) => service === "well"));
});

test("why prints one screen for each, without an escape sequence", async () => {
  const { code, stdout, stderr } = await world.newel("why", "code");
  assert.deepEqual([code, stderr], [3, ""]);
  assert.match(stdout, /^shop\/code {2}failed, 0 of 1 ready, for \d+s \(since 2/);
  assert.match(stdout, /\n {2}what +code\.1 \(pid \d+\) ended with exit code 1, \d+s ago\./);
  assert.match(stdout, /\n {2}configured +newel\.config\.json:\d+ {2}services\.code\.run: /);
  assert.match(stdout, /\n +\| about to fail\n/);
  assert.match(stdout, /\n {2}fix +newel restart code\n$/);
  assert.ok(!stdout.includes("\u001B"));
});

test("why names a program that is gone when newel starts it again", async () => {
  rmSync(join(world.directory, "tool.sh"), { force: true });
  const tool = await one("tool");
  assert.equal(tool.cause, "missing file", JSON.stringify(tool));
  assert.equal(tool.settings[0]?.path, "services.tool.run");
  assert.match(tool.facts.join("\n"), /tool\.sh/);
  assert.match(tool.facts.join("\n"), /newel does not start it again: it failed/);
});

test("why names a liveness check that failed, although its successor is ready", async () => {
  const found = await eventually(
    async () => {
      const { services } = await whyOf("ill");
      return services.find(({ cause, ok }) => ok && cause !== "none");
    },
    "ill is replaced",
    60_000,
  );
  check(found, "liveness", /^serves$/, "alive");
  assert.match(
    found.facts.join("\n"),
    /its liveness check failed 2 times in a row: GET \/healthz is answered with 503/,
  );
});

test("why names a check by command that failed, and what it printed", async () => {
  const stuck = await one("stuck");
  assert.equal(stuck.cause, "liveness", JSON.stringify(stuck));
  assert.equal(stuck.settings[0]?.line, lineOf("stuck", "alive"));
  assert.match(stuck.what, /its check ended with exit code 1: no heartbeat/);
});

test("why names a replica that used more than maxMemory", async () => {
  const eater = await one("eater");
  check(eater, "maxMemory", /^eats much$/, "maxMemory");
  assert.match(eater.what, /its processes used \d+MB, which is more than maxMemory \(100MB\)/);
});

test("why names a full disk", { skip: small === undefined && "needs mount(8)" }, async () => {
  const full = await one("full");
  check(full, "disk full", /No space left on device/, "run");
});

test("why names a process that was killed by hand, although its successor is ready", async () => {
  const [service] = await world.json<readonly { processes: readonly { pid?: number }[] }[]>(
    "ps",
    "hand",
  );
  const pid = service?.processes[0]?.pid;
  assert.ok(pid !== undefined);
  sendSignal(pid, "SIGTERM");
  const found = await eventually(
    async () => {
      const { services } = await whyOf("hand");
      return services.find(({ cause, ok }) => ok && cause !== "none");
    },
    "hand runs again",
    60_000,
  );
  assert.equal(found.cause, "killed", JSON.stringify(found));
  assert.match(found.facts.join("\n"), /SIGTERM.*\n.*an operator or another program did/);
  assert.equal(found.settings[0]?.line, lineOf("hand", "run"));
});

test("why names a failed dependency of an up that failed, and the service itself", async () => {
  world.write("tool.sh", "#!/bin/sh\nexec sleep 1000\n");
  chmodSync(join(world.directory, "tool.sh"), 0o755);
  configure({
    db: { run: "echo no data directory; exit 2" },
    shop: { run: ["sleep", "1000"], dependsOn: ["db"] },
  });
  const { code, stderr } = await world.newel("up");
  assert.equal(code, 1, stderr);
  const { services, notes } = await whyOf();
  const shop = services.find(({ service }) => service === "shop");
  const db = services.find(({ service }) => service === "db");
  assert.deepEqual([shop?.cause, shop?.state], ["dependency", "not up"], stderr);
  assert.equal(shop?.settings[0]?.line, lineOf("shop", "dependsOn"));
  assert.ok(db);
  check(db, "exit", /^no data directory$/, "run");
  assert.match(notes.join("\n"), /The last `newel up` of shop failed/);
});

test("why works without a supervisor, and says so", async () => {
  const pid = await world.supervisorPid();
  sendSignal(pid, "SIGKILL");
  await eventually(() => !existsSync(`/proc/${pid}`), "the supervisor is gone");
  const { problems, services } = await whyOf("code", "hand");
  assert.deepEqual(
    problems.map(({ cause }) => cause),
    ["no supervisor"],
  );
  const code = services.find(({ service }) => service === "code");
  assert.ok(code);
  check(code, "exit", /^about to fail$/, "run");
  const { services: stored } = await whyOf("stuck", "eater", "ill");
  assert.deepEqual(stored.map(causeOf).sort(), NEWEL_ENDED, "its supervisor has stored it");
});

test("why names the reason for which newel ended a replica after a restart of the supervisor", async () => {
  await world.succeed("start", "well");
  const { problems, services } = await whyOf("stuck", "eater", "ill");
  assert.ok(!problems.some(({ cause }) => cause === "no supervisor"));
  assert.deepEqual(services.map(causeOf).sort(), NEWEL_ENDED);
  const eater = services.find(({ service }) => service === "eater");
  // Whether it runs again depends on the up that failed.
  const text = [eater?.what, ...(eater?.facts ?? [])].join("\n");
  assert.match(text, /its processes used \d+MB, which is more than maxMemory/);
});

const NEWEL_ENDED = ["eater: maxMemory", "ill: liveness", "stuck: liveness"];

function causeOf({ service, cause }: Found): string {
  return `${service}: ${cause}`;
}
