import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { systemCode } from "../../src/base/errors.ts";
import { Bus } from "../../src/bus/bus.ts";
import { eventually, freePort, startProcess, temporaryDirectory } from "../helpers/resources.ts";
import { later } from "./watched-bus.ts";

const FIXTURE = fileURLToPath(new URL("fixtures/web.ts", import.meta.url));

/** One request; its response, or the error's code. */
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

/** Each of eleven restarts takes some seconds on a busy machine, and up to a minute on a crowded one. */
const RESTARTS_MS = 600_000;

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

/** The observations of 8 keep-alive and 8 one-shot clients. */
interface Seen {
  readonly pids: ReadonlySet<string>;
  readonly generations: ReadonlySet<string>;
  readonly failures: readonly string[];
  readonly answers: number;
}

/** Sends requests until the returned function is called. */
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

/** The states of a process's children, `Z` for one that was not reaped. */
function childrenOf(pid: number): string[] {
  const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return pids === "" ? [] : pids.split(" ").flatMap((child) => stateOf(child));
}

function stateOf(pid: string): string[] {
  try {
    return [readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[2] ?? ""];
  } catch (error) {
    // The child has ended since the list was read.
    if (["ENOENT", "ESRCH"].includes(systemCode(error) ?? "")) return [];
    throw error;
  }
}

/** The generation that the fixture printed last. */
function lastGeneration(output: string): number {
  return Number(
    output
      .match(/READY \d+/g)
      ?.at(-1)
      ?.slice(6),
  );
}

/**
 * Waits until no restart is under way and no child is left; a pending restart has its child as soon as the bus has
 * started.
 *
 * @returns the generation
 */
function rest(pid: number, output: () => string): Promise<number> {
  const isAtRest = (): boolean =>
    /READY \d+\n(debug.*\n)*$/.test(output()) && childrenOf(pid).length === 0;
  const probe = async (): Promise<{ last: number } | false> => {
    const last = lastGeneration(output());
    if (!isAtRest()) return false;
    await later(500);
    return isAtRest() && last === lastGeneration(output()) && { last };
  };
  return eventually(probe, "it comes to rest", RESTARTS_MS).then(({ last }) => last);
}

test("restart under load: SIGHUPs 0.5 s apart, one pid, 11 generations, no failed request", async (t) => {
  const { port, pid = 0, output, kill, ended } = await web(t);
  const stop = underLoad(t, port);
  for (let restart = 1; restart <= 10; restart += 1) {
    // By the clock, regardless of the progress of the previous restart: the signal may arrive at a
    // program without handlers.
    kill("SIGHUP");
    await later(500);
  }
  // The system makes one signal of two that wait for a slow start, so some may be missing.
  while ((await rest(pid, output)) < 10) kill("SIGHUP");
  const { pids, generations, failures, answers } = await stop();
  assert.deepEqual(failures, [], output().slice(-2_000));
  assert.deepEqual([...pids], [String(pid)]);
  // A generation that is replaced at once may answer no request.
  assert.ok(generations.size > 1, [...generations].join(" "));
  assert.ok(answers > 100, `${answers} answers`);
  kill("SIGTERM");
  assert.equal(await ended, 0);
});

test("signals during a restart wait for it: none ends the program, none is lost", async (t) => {
  const { port, pid = 0, output, kill, ended } = await web(t);
  const stop = underLoad(t, port);
  for (let burst = 1; burst <= 2; burst += 1) {
    for (let signal = 0; signal < 40; signal += 1) {
      kill("SIGHUP");
      await later(15);
    }
    await later(300);
  }
  const last = await rest(pid, output);
  assert.ok(last >= 2, output().slice(-2_000));
  kill("SIGHUP");
  await eventually(() => lastGeneration(output()) === last + 1, "one more", RESTARTS_MS);
  // The exit is also requested during a restart, and happens in order.
  kill("SIGHUP");
  await later(350);
  const { pids, failures } = await stop();
  assert.deepEqual(failures, [], output().slice(-2_000));
  assert.deepEqual([...pids], [String(pid)]);
  kill("SIGTERM");
  assert.equal(await ended, 0, output().slice(-2_000));
});

test("a restart whose new code does not load is refused, and the old program continues", async (t) => {
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

test("a restart without an executable is refused, and requests are still served", async (t) => {
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
