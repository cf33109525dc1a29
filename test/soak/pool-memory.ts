// A million tasks to a slow worker, and a million messages to a slow pool: `node test/soak/pool-memory.ts [COUNT]`.
// Prints one line; exits with 1 when memory grew on either side.
import { flood, type FloodSeen } from "../pool/flood.ts";

/** Limits for the referenced memory of this process, and for all memory of the worker. */
const MAX_GROWTH_MB = { pool: 20, worker: 60 };

const count = Number(process.argv[2] ?? 1_000_000);
const tasks = await flood("tasks", count);
const messages = await flood("messages", count);
const isFlat = ({ poolGrowthMb, workerGrowthMb }: FloodSeen): boolean =>
  poolGrowthMb < MAX_GROWTH_MB.pool && workerGrowthMb < MAX_GROWTH_MB.worker;
const isWhole = tasks.consumed === count && messages.consumed >= count;
const isGood = isFlat(tasks) && isFlat(messages) && isWhole;
console.log(JSON.stringify({ soak: "pool-memory", ok: isGood, count, tasks, messages }));
process.exitCode = isGood ? 0 : 1;
