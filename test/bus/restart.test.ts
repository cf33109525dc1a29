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

/** What 8 keep-alive and 8 one-shot clients saw. */
interface Seen {
  readonly pids: ReadonlySet<string>;
  readonly generations: ReadonlySet<string>;
  readonly failures: readonly string[];
  readonly answers: number;
}

/** Asks all the time, until the answer is called. */
function underLoad(t: TestContext, port: number): () => Promise<Seen> {
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
  t.after(() => enough.abort());
  return async () => {
    enough.abort();
    await Promise.all(clients);
    return { pids, generations, failures, answers };
  };
}

/** The states of a process's children, `Z` for one that nobody waited for. */
function childrenOf(pid: number): string[] {
  const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return pids === ""
    ? []
    : pids
        .split(" ")
        .map((child) => readFileSync(`/proc/${child}/stat`, "utf8").split(" ")[2] ?? "");
}

test("restart under load: 10 SIGHUPs 0.5 s apart, one pid, 11 generations, no failed request", async (t) => {
  const { port, pid = 0, output, kill, ended } = await web(t);
  const stop = underLoad(t, port);
  for (let restart = 1; restart <= 10; restart += 1) {
    // By the clock, wherever the restart before is: the signal may meet a program without handlers.
    kill("SIGHUP");
    await later(500);
  }
  await eventually(
    () => output().includes("READY 10\n"),
    `the last generation: ${output().slice(-2_000)}`,
    20_000,
  );
  const { pids, generations, failures, answers } = await stop();
  assert.deepEqual(failures, [], output().slice(-2_000));
  assert.deepEqual([...pids], [String(pid)]);
  assert.equal(generations.size, 11);
  assert.ok(answers > 500, `${answers} answers`);
  await eventually(() => childrenOf(pid).length === 0, "no child is left to wait for");
  kill("SIGTERM");
  assert.equal(await ended, 0);
});

test("signals in the middle of a restart wait for it: none ends the program, none is forgotten", async (t) => {
  const { port, pid = 0, output, kill, ended } = await web(t);
  const stop = underLoad(t, port);
  for (let burst = 1; burst <= 2; burst += 1) {
    for (let signal = 0; signal < 40; signal += 1) {
      kill("SIGHUP");
      await later(15);
    }
    await later(300);
  }
  const generation = (): number =>
    Number(
      output()
        .match(/READY \d+/g)
        ?.at(-1)
        ?.slice(6),
    );
  const last = await eventually(
    async () => {
      const before = generation();
      await later(1_500);
      return before === generation() && before;
    },
    "it comes to rest",
    30_000,
  );
  assert.ok(last >= 2, output().slice(-2_000));
  kill("SIGHUP");
  await eventually(() => generation() === last + 1, "one more");
  // The end is asked for in the middle too, and comes in order.
  kill("SIGHUP");
  await later(350);
  const { pids, failures } = await stop();
  assert.deepEqual(failures, [], output().slice(-2_000));
  assert.deepEqual([...pids], [String(pid)]);
  kill("SIGTERM");
  assert.equal(await ended, 0, output().slice(-2_000));
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
