// 200 kills of producers and workers on one file, over 10,000 jobs.
import { killAtRandom } from "../jobs/sqlite/kills.ts";
import { withScope } from "../load/scope.ts";

const MOST_MS = 1_000;

const report = await withScope((scope) => killAtRandom(scope, { jobs: 10_000, kills: 200 }));
const { jobs, kills, inFlight, resumedMs } = report;
console.log(
  `${jobs} jobs, ${kills} kills, ${inFlight} in flight: none lost, none completed twice; began again after ${resumedMs.median} ms (median), ${resumedMs.p95} ms (p95), ${resumedMs.most} ms (most)`,
);
// How soon is a bar for a machine that does nothing else.
if (resumedMs.most >= MOST_MS) process.exitCode = 1;
