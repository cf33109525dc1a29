import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { eventually, freePort, startProcess } from "../helpers/resources.ts";

const FIXTURE = fileURLToPath(new URL("fixtures/crash.ts", import.meta.url));

interface Crashing {
  readonly port: number;
  readonly output: () => string;
  readonly ended: Promise<number | string>;
}

async function crashing(t: TestContext, ...args: string[]): Promise<Crashing> {
  const port = await freePort();
  const child = startProcess(t, process.execPath, [FIXTURE, String(port), ...args]);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk) => (output += String(chunk)));
  const ended = once(child, "close").then(([code, signal]) => code ?? signal);
  await eventually(() => output.includes("READY"), "it serves");
  return { port, output: () => output, ended };
}

/** The bytes that a raw request gets until its connection ends. */
async function ask(port: number, path: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1" });
  let text = "";
  socket.on("data", (chunk) => (text += String(chunk)));
  socket.on("error", () => undefined);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(socket, "close");
  return text;
}

const STOPPED = /component false, threads 0, state exited\n$/;

test("61. an interrupt in the server's own task makes block end, all stopped", async (t) => {
  const { output, ended } = await crashing(t, "task");
  assert.equal(await ended, 0);
  assert.match(output(), STOPPED);
});

test("63. an interrupt in a request handler closes that connection, and block ends", async (t) => {
  const { port, output, ended } = await crashing(t);
  assert.equal(await ask(port, "/interrupt"), "", "no status line");
  assert.equal(await ended, 0);
  assert.match(output(), STOPPED);
});

test("an uncaught error is logged, everything is stopped, and the code is 70", async (t) => {
  const { port, output, ended } = await crashing(t);
  assert.equal(await ask(port, "/error"), "");
  assert.equal(await ended, 70);
  assert.match(output(), /error An error was not caught; shutting down.\nError: a bug\n/);
  assert.match(output(), STOPPED);
});
