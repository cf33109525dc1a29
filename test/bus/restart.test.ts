import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { Bus } from "../../src/bus/bus.ts";
import { eventually, freePort, startProcess, temporaryDirectory } from "../helpers/resources.ts";
import { later } from "./watched-bus.ts";

const FIXTURE = fileURLToPath(new URL("fixtures/web.ts", import.meta.url));

/** One request; what came back, or the error's code. */
function ask(port: number, agent: Agent): Promise<{ body?: string; failed?: string }> {
  return new Promise((resolve) => {
    const request = get({ port, host: "127.0.0.1", agent }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (body += chunk));
      response.on("end", () => resolve({ body }));
      response.on("error", (error) => resolve({ failed: error.message }));
    });
    request.on("error", (error) => resolve({ failed: error.message }));
  });
}

interface Web {
  readonly port: number;
  readonly pid: number | undefined;
  readonly output: () => string;
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly ended: Promise<number | string>;
}

/** The fixture, once it serves. */
async function web(t: TestContext, node = process.execPath, fixture = FIXTURE): Promise<Web> {
  const port = await freePort();
  const child = startProcess(t, node, [fixture, String(port)]);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk) => (output += String(chunk)));
  const ended = once(child, "close").then(([code, signal]) => code ?? signal);
  await eventually(() => output.includes("READY 0"), "it serves");
  const kill = (signal: NodeJS.Signals): void => void child.kill(signal);
  return { port, pid: child.pid, output: () => output, kill, ended };
}

test("restart under load keeps the pid and fails no request", async (t) => {
  const { port, pid, output, kill, ended } = await web(t);
  const pids = new Set<string>();
  const generations = new Set<string>();
  const failures: string[] = [];
  let answers = 0;
  const enough = new AbortController();
  const client = async (agent: Agent): Promise<void> => {
    while (!enough.signal.aborted) {
      const { body, failed } = await ask(port, agent);
      if (failed !== undefined) failures.push(failed);
      const [answering, generation] = (body ?? "").split(" ");
      if (answering !== undefined && generation !== undefined) {
        pids.add(answering);
        generations.add(generation);
        answers += 1;
      }
      await later(5);
    }
    agent.destroy();
  };
  const clients = Array.from({ length: 16 }, (_, n) =>
    client(new Agent({ keepAlive: n < 8, maxSockets: 1 })),
  );
  for (let restart = 1; restart <= 10; restart += 1) {
    kill("SIGHUP");
    await eventually(() => output().includes(`READY ${restart}\n`), `generation ${restart}`);
    await later(500);
  }
  enough.abort();
  await Promise.all(clients);
  assert.deepEqual(failures, [], output().slice(-2_000));
  assert.deepEqual([...pids], [String(pid)]);
  assert.equal(generations.size, 11);
  assert.ok(answers > 500, `${answers} answers`);
  kill("SIGTERM");
  assert.equal(await ended, 0);
});

test("a restart whose new code does not load is refused, and the old one goes on", async (t) => {
  const directory = temporaryDirectory(t);
  const program = join(directory, "web.ts");
  const source = readFileSync(FIXTURE, "utf8").replaceAll(
    "../../../src/",
    new URL("../../src/", import.meta.url).href,
  );
  writeFileSync(program, source);
  const { port, output, kill, ended } = await web(t, process.execPath, program);
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  let refused = 0;
  for (const broken of [`${source}\n)`, `import "./missing.ts";\n${source}`]) {
    writeFileSync(program, broken);
    kill("SIGHUP");
    refused += 1;
    await eventually(
      () => output().match(/listener reexec .* failed/g)?.length === refused,
      "it refuses",
    );
    assert.match((await ask(port, agent)).body ?? "", / 0$/);
  }
  assert.match(output(), /SyntaxError/);
  assert.match(output(), /missing\.ts/);
  writeFileSync(program, source);
  kill("SIGHUP");
  await eventually(() => output().includes("READY 1\n"), "the mended program");
  kill("SIGTERM");
  assert.equal(await ended, 0);
});

test("a restart without an executable is refused, and requests go on", async (t) => {
  const node = join(temporaryDirectory(t), "node");
  copyFileSync(process.execPath, node);
  const { port, output, kill, ended } = await web(t, node);
  rmSync(node);
  kill("SIGHUP");
  await eventually(() => output().includes("was not restarted: ENOENT"), "it refuses");
  const agent = new Agent();
  assert.match((await ask(port, agent)).body ?? "", / 0$/);
  kill("SIGTERM");
  assert.equal(await ended, 0);
});

test("restart without the plugin is refused", async () => {
  const bus = new Bus();
  await bus.start();
  await assert.rejects(bus.restart(), { code: "NEWEL_E_BUS_NO_RESTART" });
  assert.equal(bus.state, "started");
  await bus.exit();
});
