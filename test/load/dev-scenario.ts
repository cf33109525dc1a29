import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** The time between two polls: 20 a second. */
const POLL_MS = 50;
const LIMIT_MS = 60_000;

const program = (version: number, port: number): string => `
const { createServer } = require("node:http");
createServer((_, response) => response.end("${version}")).listen(${port}, "127.0.0.1");
`;

/** How the polls of one run ended. */
export interface DevRun {
  readonly polls: number;
  /** Refused, reset or unanswered. */
  readonly failed: number;
  readonly longestMs: number;
}

/**
 * Edits a server a number of times while a client polls it 20 times a second, each time on a new connection. The
 * next edit follows once the one before serves.
 *
 * @param tool - the program that restarts the server at each edit
 */
export async function pollDuringEdits(
  tool: "newel dev" | "node --watch",
  edits: number,
  port: number,
): Promise<DevRun> {
  const directory = mkdtempSync(join(tmpdir(), "newel-dev-run-"));
  const file = join(directory, "server.cjs");
  writeFileSync(file, program(0, port));
  const words =
    tool === "newel dev"
      ? [MAIN, "dev", "--", process.execPath, "server.cjs"]
      : ["--watch", "server.cjs"];
  const child = spawn(process.execPath, words, {
    cwd: directory,
    env: { ...process.env, NEWEL_HOME: join(directory, "home") },
    stdio: "ignore",
  });
  const polls: Promise<number | undefined>[] = [];
  let timer: NodeJS.Timeout | undefined;
  try {
    await serves(0, port);
    timer = setInterval(() => polls.push(poll(port)), POLL_MS);
    for (let version = 1; version <= edits; version += 1) {
      await sleep(POLL_MS);
      writeFileSync(file, program(version, port));
      await serves(version, port);
    }
    clearInterval(timer);
    const times = await Promise.all(polls);
    const answered = times.filter((time) => time !== undefined);
    const failed = times.length - answered.length;
    return { polls: times.length, failed, longestMs: Math.round(Math.max(0, ...answered)) };
  } finally {
    clearInterval(timer);
    await end(child);
    rmSync(directory, { recursive: true, force: true });
  }
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, "close");
  child.kill("SIGINT");
  await ended;
}

/** Waits until a version of the server answers. */
async function serves(version: number, port: number): Promise<void> {
  const until = performance.now() + LIMIT_MS;
  while ((await ask(port)) !== String(version)) {
    if (performance.now() > until) throw new Error(`version ${version} does not answer`);
    await sleep(POLL_MS / 2);
  }
}

/** The milliseconds of one poll; `undefined` when it failed. */
async function poll(port: number): Promise<number | undefined> {
  const startedMs = performance.now();
  return (await ask(port)) === undefined ? undefined : performance.now() - startedMs;
}

/** The body of one request on a new connection; `undefined` when the connection was refused or broken. */
function ask(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    const socket = createConnection({ port, host: "127.0.0.1" });
    socket.setTimeout(LIMIT_MS, () => socket.destroy());
    socket.on("connect", () =>
      socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    );
    socket.on("data", (piece: Buffer) => pieces.push(piece));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      const text = Buffer.concat(pieces).toString();
      const body = text.split("\r\n\r\n")[1];
      // A chunked body has its length before it.
      resolve(
        text.startsWith("HTTP/1.1 200")
          ? body?.split("\r\n").at(/chunked/i.test(text) ? 1 : 0)
          : undefined,
      );
    });
  });
}
