// Sends random and mutated frames to sessions: `node test/soak/wire.ts [FRAMES] [SEED]`, by default a
// million. Prints one line; exits with 1 when a refusal had no code, something was left behind or
// memory grew.
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { fuzz } from "../wire/fuzz.ts";

/** Allowed growth of the referenced memory, and of the memory of the process. */
const MAX_LIVE_GROWTH_BYTES = 5_000_000;
const MAX_RSS_GROWTH_BYTES = 50_000_000;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const { positionals } = parseArgs({ allowPositionals: true });
const frames = Number(positionals[0] ?? 1_000_000);
const seed = Number(positionals[1] ?? Date.now() % 1_000_000_000);

// Memory is compared with its size after a warm-up.
await fuzz(Math.ceil(frames / 5), seed + 1);
const before = await memory();
let longestTurnMs = 0;
let turn = performance.now();
const start = turn;
const { problems, sessions } = await fuzz(frames, seed, () => {
  const now = performance.now();
  longestTurnMs = Math.max(longestTurnMs, now - turn);
  turn = now;
});
const seconds = (performance.now() - start) / 1_000;
const after = await memory();
const grown = { live: after.live - before.live, rss: after.rss - before.rss };
const isGood =
  problems.length === 0 && grown.live < MAX_LIVE_GROWTH_BYTES && grown.rss < MAX_RSS_GROWTH_BYTES;
console.log(
  JSON.stringify({
    soak: "wire",
    ok: isGood,
    frames,
    seed,
    sessions,
    seconds: Math.round(seconds),
    liveGrowthMB: Math.round(grown.live / 1e4) / 100,
    rssGrowthMB: Math.round(grown.rss / 1e5) / 10,
    longest64SessionsMs: Math.round(longestTurnMs),
    problems,
  }),
);
process.exitCode = isGood ? 0 : 1;

async function memory(): Promise<{ readonly live: number; readonly rss: number }> {
  for (let round = 0; round < 3; round += 1) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { live: heapUsed + external, rss };
}
