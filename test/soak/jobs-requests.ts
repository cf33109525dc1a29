// Soak: mutated requests of a client that knows the auth key, and random bytes of others, against a job
// server. `node test/soak/jobs-requests.ts [requests] [seed]`; one line at the end, exit code 1 on
// failure.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { inspect } from "node:util";

import { isNewelError } from "../../src/base/errors.ts";
import { JOBS_CONTRACT } from "../../src/jobs/remote/contract.ts";
import { connectTcp } from "../../src/wire/tcp.ts";
import { freePort, type Scope } from "../helpers/resources.ts";
import { HostileRequests } from "../jobs/remote/hostile-requests.ts";
import { makeWorld, startServer } from "../jobs/server/world.ts";

const REQUESTS = Number(process.argv[2] ?? 1_000_000);
const SEED = Number(process.argv[3] ?? Date.now() % 2 ** 31);
const AT_ONCE = 64;
/** The server's memory at the end may exceed its size after the warm-up by this much. */
const GROWTH_BYTES = 150_000_000;

function memoryOf(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
  return pages * 4_096;
}

async function shout(port: number): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => socket.destroy());
  socket.resume();
  socket.end(randomBytes(1 + Math.floor(Math.random() * 2_000)));
  await new Promise((resolve) => socket.once("close", resolve));
}

async function run(scope: Scope): Promise<string> {
  const world = makeWorld(scope);
  const port = await freePort();
  const key = join(world.directory, "key");
  writeFileSync(key, "soak\n");
  const where = ["--host", "", "--port", String(port), "--authkey-file", key];
  const server = await startServer(scope, world, where);
  const { pid = 0 } = server;
  const connection = await connectTcp({ port, secret: "soak" }, JOBS_CONTRACT);
  scope.after(() => connection.close());
  const requests = new HostileRequests(SEED);
  const codes = new Map<string, number>();
  let answered = 0;
  const ask = async (): Promise<void> => {
    const { method, args } = requests.next();
    try {
      await connection.methods.call(method, args);
      answered += 1;
    } catch (error) {
      assert.ok(
        isNewelError(error),
        `${method} ${inspect(args)}: ${error instanceof Error ? error.stack : String(error)}`,
      );
      // A fault of ours, or a connection that did not bear it.
      for (const bad of ["NEWEL_E_INTERNAL", "NEWEL_E_CONNECTION_LOST"])
        assert.notEqual(error.code, bad, `${method} ${inspect(args)}: ${error.message}`);
      codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
    }
  };
  let sent = 0;
  let warm = 0;
  const began = performance.now();
  while (sent < REQUESTS) {
    await Promise.all(Array.from({ length: AT_ONCE }, ask));
    sent += AT_ONCE;
    if (sent % (AT_ONCE * 50) === 0) await shout(port);
    if (warm === 0 && sent > REQUESTS / 5) warm = memoryOf(pid);
  }
  const seconds = (performance.now() - began) / 1_000;
  await connection.remote.stats();
  const grown = memoryOf(pid) - warm;
  assert.ok(grown < GROWTH_BYTES, `memory grew by ${grown} bytes`);
  assert.equal(server.exitCode, null);
  const told = [...codes].map(([code, count]) => `${code} ${count}`).join(", ");
  return `${sent} requests in ${seconds.toFixed(0)} s, ${answered} answered, ${told}, memory + ${Math.round(grown / 1e6)} MB`;
}

const ends: (() => unknown)[] = [];
try {
  console.log(
    `jobs-requests: ok: ${await run({ after: (end) => void ends.push(end) })} (seed ${SEED})`,
  );
} catch (error) {
  console.log(
    `jobs-requests: FAILED (seed ${SEED}): ${error instanceof Error ? error.stack : String(error)}`,
  );
  process.exitCode = 1;
} finally {
  for (const end of ends.toReversed()) await end();
}
