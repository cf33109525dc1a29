// 200 kills of producers and workers on one file, over 10,000 jobs.
import { killAtRandom } from "../jobs/sqlite/kills.ts";
import { withScope } from "../load/scope.ts";

const report = await withScope((scope) => killAtRandom(scope, { jobs: 10_000, kills: 200 }));
const { jobs, kills, inFlight, resumedMs } = report;
console.log(
  `${jobs} jobs, ${kills} kills, ${inFlight} in flight: none lost, none completed twice; began again after ${resumedMs.median} ms (median), ${resumedMs.most} ms (most)`,
);
