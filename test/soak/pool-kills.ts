// Kills random workers under load: `node test/soak/pool-kills.ts [KILLS]`, by default a thousand.
// Prints one line; exits with 1 when a task did not settle once, or a worker is missing.
import { Pool } from "../../src/pool/pool.ts";
import type * as TasksModule from "../pool/fixtures/tasks.ts";
import { killWorkers } from "../pool/kills.ts";
import { fixture } from "../pool/pools.ts";

const kills = Number(process.argv[2] ?? 1_000);
const started = performance.now();
// A worker that was killed before it did anything is not at fault here.
const backoff = { minMs: 10, maxMs: 50 };
await using pool = new Pool<typeof TasksModule>({ worker: fixture("tasks"), size: 3, backoff });
const seen = await killWorkers(pool, kills);
const isGood = seen.problems.length === 0;
const seconds = Math.round((performance.now() - started) / 1_000);
const { restarts } = pool.stats();
console.log(JSON.stringify({ soak: "pool-kills", ok: isGood, seconds, restarts, ...seen }));
process.exitCode = isGood ? 0 : 1;
