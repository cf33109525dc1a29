/**
 * Measures the present capacity of a web app, on this machine and with the other work on it: a load
 * above that fails by itself, and does not show a fault of the app's manager.
 *
 * As a program: `node test/load/capacity.ts --port 3000 --seconds 4` prints answers a second.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import type { Scope } from "../helpers/resources.ts";
import { runProgram } from "./command.ts";
import { type Destination, LoadConnection } from "./connection.ts";
import type { Site } from "./web-tool.ts";

const CLIENTS = 4;
const SECONDS = 4;
/** Requests a second of each kind, at most and at least. */
const RATES = { most: 60, least: 2 };
/**
 * The part of the capacity that each kind of request takes. A scale to one replica halves the capacity, and the
 * processes that a verb starts take part of it too.
 */
const SHARE = 0.15;
const LIMIT_MS = 60_000;

/**
 * Answers a second on a new connection for each request, which is the most expensive kind; the clients, in a
 * process like that of the load, wait for each answer before the next request.
 */
async function measureCapacity(scope: Scope, { port, tls, directory }: Site): Promise<number> {
  const program = fileURLToPath(import.meta.url);
  const args = [program, `--port=${port}`, `--seconds=${SECONDS}`, ...(tls ? ["--tls"] : [])];
  const measured = await runProgram(scope, args, { cwd: directory, env: process.env });
  if (measured.exitCode !== 0) throw new Error(`no capacity: ${measured.stderr}`);
  return Number(measured.stdout);
}

/** Requests a second of each kind that a site can answer also while its processes are replaced. */
export async function boundedRate(
  scope: Scope,
  site: Site,
): Promise<{ readonly capacity: number; readonly rate: number }> {
  const capacity = await measureCapacity(scope, site);
  const rate = Math.max(RATES.least, Math.min(RATES.most, Math.floor(capacity * SHARE)));
  return { capacity, rate };
}

async function answersPerSecond(destination: Destination, seconds: number): Promise<number> {
  const begin = performance.now();
  const elapsedSeconds = (): number => (performance.now() - begin) / 1_000;
  let answers = 0;
  const client = async (): Promise<void> => {
    while (elapsedSeconds() < seconds) {
      const connection = new LoadConnection(destination);
      await connection.request(`/echo/${answers}`, true, LIMIT_MS);
      answers += 1;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return answers / elapsedSeconds();
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      port: { type: "string" },
      seconds: { type: "string", default: "4" },
      tls: { type: "boolean", default: false },
    },
  });
  const destination = { host: "127.0.0.1", port: Number(values.port), tls: values.tls };
  console.log(await answersPerSecond(destination, Number(values.seconds)));
}
