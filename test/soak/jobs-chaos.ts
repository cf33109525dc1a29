// Kills pool workers, the job server and the process that enqueues, at random, 300 times over 10,000
// runs: `node test/soak/jobs-chaos.ts [KILLS [RUNS]]`. Prints one line; exits with 1 when a run that was
// enqueued is not done, or its attempts were not counted.
import { wreak } from "../jobs/server/chaos.ts";
import { withScope } from "../load/scope.ts";

const kills = Number(process.argv[2] ?? 300);
const jobs = Number(process.argv[3] ?? 10_000);
const started = performance.now();
const report = await withScope((scope) =>
  wreak(scope, { jobs, kills, pauseMs: 600, servers: 1, processes: 3, stopMs: 2_000 }),
);
const seconds = Math.round((performance.now() - started) / 1_000);
const ok = report.problems.length === 0;
console.log(JSON.stringify({ soak: "jobs-chaos", ok, seconds, ...report }));
process.exitCode = ok ? 0 : 1;
