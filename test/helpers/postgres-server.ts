import { spawnSync } from "node:child_process";
import { chownSync, globSync } from "node:fs";
import { dirname, join } from "node:path";

import { Client } from "pg";

import { NOBODY } from "./as-nobody.ts";
import { accepts } from "./redis-server.ts";
import {
  cleanUp,
  eventually,
  freePort,
  type Scope,
  isAlive,
  startProcess,
  temporaryDirectory,
} from "./resources.ts";
import { sendSignal } from "./signals.ts";

/** The directory of the programs of the newest installed PostgreSQL. */
const BIN = globSync("/usr/lib/postgresql/*/bin/initdb").sort().map(dirname).at(-1);

/** Why tests that need a PostgreSQL server cannot run here, for `{ skip }`; `false` when they can. */
export const withoutPostgres: string | false =
  BIN === undefined ? "needs a PostgreSQL server: apt-get install postgresql" : false;

/**
 * Starts a separate PostgreSQL server for a test.
 *
 * @param durable - with fsync, as in production; the server is quicker without it
 */
export async function startPostgres(
  scope: Scope,
  durable = false,
): Promise<{ url: string; pid: number }> {
  if (BIN === undefined) throw new Error(String(withoutPostgres));
  const directory = temporaryDirectory(scope);
  // PostgreSQL refuses to run as root.
  const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  if (user.uid !== undefined) chownSync(directory, NOBODY, NOBODY);
  const data = join(directory, "data");
  const made = spawnSync(
    join(BIN, "initdb"),
    ["-D", data, "-U", "newel", "-A", "trust", "--no-sync"],
    { ...user, encoding: "utf8", env: { ...process.env, HOME: directory }, cwd: directory },
  );
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  const port = await freePort();
  const child = startProcess(
    scope,
    join(BIN, "postgres"),
    [
      "-D",
      data,
      "-k",
      directory,
      "-p",
      String(port),
      "-h",
      "127.0.0.1",
      "-N",
      "200",
      ...(durable ? [] : ["-F"]),
    ],
    { ...user, cwd: directory },
  );
  // SIGKILL would leave its helper processes and its shared memory.
  cleanUp(scope, () => stopPostgres(child.pid ?? 0));
  await eventually(() => accepts(port), "PostgreSQL listens");
  const url = `postgres://newel@127.0.0.1:${port}/postgres`;
  await eventually(() => answers(BIN, port, user), "PostgreSQL answers", 20_000);
  return { url, pid: child.pid ?? 0 };
}

function answers(bin: string, port: number, user: { uid?: number }): boolean {
  const ready = spawnSync(join(bin, "pg_isready"), ["-h", "127.0.0.1", "-p", String(port)], user);
  return ready.status === 0;
}

async function stopPostgres(pid: number): Promise<void> {
  if (!isAlive(pid)) return;
  sendSignal(pid, "SIGQUIT");
  await eventually(() => !isAlive(pid), "PostgreSQL ended");
}

/** The URL of a database, after BullMQ's tables of the previous test were dropped. */
export async function withoutTables(url: string): Promise<string> {
  const client = new Client(url);
  await client.connect();
  await client.query("DROP SCHEMA IF EXISTS bullmq CASCADE");
  await client.end();
  return url;
}
