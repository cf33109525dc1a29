// The job server's long runs: a handler that blocks its event loop for 75 s runs once; no effect of a
// finished step comes twice when its process is killed 50 times; how soon the job of a killed process
// begins again while all places are taken. Exits with 1 when the first two do not hold, or the last
// takes more in the middle of 30 than 200 ms, and on a busy machine than the start of a process that imports jobs. Then
// 5,000 runs on four servers, while workers, servers and
// producers are killed, servers are stopped and the wall clock is stepped: every run ends, none is executed twice at
// once, and each execution after the first is a counted loss.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { eventually, type Scope } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { wreak } from "../jobs/server/chaos.ts";
import { makeWorld } from "../jobs/server/world.ts";
import { withScope } from "../load/scope.ts";

/** Runs of the fleet, of which one in ten lasts longer than a lock: `node test/soak/jobs-server.ts [RUNS]`. */
const RUNS = Number(process.argv[2] ?? 5_000);
const JOBS = fileURLToPath(new URL("../../src/jobs/index.ts", import.meta.url));
const KILLS = 30;
const MOST_MS = 200;

const files = ["running", "stopping"].map((name) =>
  fileURLToPath(new URL(`../jobs/server/${name}.test.ts`, import.meta.url)),
);
const names = ["--test-name-pattern=blocks its event loop", "--test-name-pattern=finished step"];
const child = spawn(process.execPath, ["--test", ...names, ...files], {
  stdio: ["ignore", "pipe", "inherit"],
  env: { ...process.env, BLOCKED_MS: "75000", KILLS: "50", STEP_MS: "150" },
});
const [output, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
if (code !== 0) console.log(output);
const kills = /(\d+) kills/.exec(output)?.[1] ?? "no";
/** How long such a process took to start before each kill, in milliseconds. */
const starts: number[] = [];
const times = await withScope(restartTimes);
const [median = Infinity, most = Infinity] = [times[KILLS / 2], times.at(-1)];
const limitMs = Math.max(MOST_MS, starts.toSorted((a, b) => a - b)[KILLS / 2] ?? 0);
console.log(
  `blocked for 75 s: once; ${kills} kills: no effect twice; begins again after ${median} ms (median of ${KILLS}, at most ${Math.round(limitMs)}), ${most} ms (most)`,
);
process.env["CHAOS_MIX"] = "1";
const fleet = {
  jobs: RUNS,
  kills: RUNS / 25,
  pauseMs: 4_000,
  servers: 4,
  processes: 8,
  stopMs: 8_000,
};
const report = await withScope((scope) => wreak(scope, fleet));
console.log(JSON.stringify({ ...report, problems: report.problems.slice(0, 20) }));
const isWell = report.problems.length === 0 && report.runs >= RUNS;
process.exitCode = code === 0 && median <= limitMs && isWell ? 0 : 1;

/** Milliseconds from each SIGKILL to the next begin of that job, the shortest first. */
async function restartTimes(scope: Scope): Promise<number[]> {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  await world.serve({ processes: 2 });
  // Another one has the other place, and more wait in line.
  const waiting = { name: "waiting", data: 600_000 };
  await queue.addBulk([
    waiting,
    { name: "killed", data: {}, opts: { attempts: KILLS + 1 } },
    waiting,
  ]);
  const began = (): string[] => world.notes().filter((line) => line.startsWith("killed "));
  const seen: number[] = [];
  while (seen.length < KILLS) {
    const line = await eventually(() => began()[seen.length], `attempt ${seen.length + 1} begins`);
    const startedAt = performance.now();
    await once(spawn(process.execPath, [JOBS], { stdio: "ignore" }), "exit");
    const startMs = performance.now() - startedAt;
    starts.push(startMs);
    // Until the process that is kept ready is there again: it starts, loads the module and reports.
    await sleep(Math.max(1_000, 3 * startMs));
    const killed = Date.now();
    sendSignal(Number(line.split(" ")[1]), "SIGKILL");
    const next = await eventually(() => began()[seen.length + 1], "it begins again");
    seen.push(Number(next.split(" ")[2]) - killed);
  }
  return seen.sort((a, b) => a - b);
}
