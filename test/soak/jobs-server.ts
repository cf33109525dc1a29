// The job server's long runs: a handler that blocks its event loop for 75 s runs once; no effect of a
// finished step comes twice when its process is killed 50 times; how soon the job of a killed process
// begins again while all places are taken. Exits with 1 when the first two do not hold, or the last
// takes more than 200 ms in the middle of 30.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { eventually, type Scope } from "../helpers/resources.ts";
import { makeWorld } from "../jobs/server/world.ts";
import { withScope } from "../load/scope.ts";

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
const times = await withScope(restartTimes);
const [median = Infinity, most = Infinity] = [times[KILLS / 2], times.at(-1)];
console.log(
  `blocked for 75 s: once; ${kills} kills: no effect twice; begins again after ${median} ms (median of ${KILLS}), ${most} ms (most)`,
);
process.exitCode = code === 0 && median <= MOST_MS ? 0 : 1;

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
    // Until the process that is kept ready is there again.
    await sleep(1_000);
    const killed = Date.now();
    process.kill(Number(line.split(" ")[1]), "SIGKILL");
    const next = await eventually(() => began()[seen.length + 1], "it begins again");
    seen.push(Number(next.split(" ")[2]) - killed);
  }
  return seen.sort((a, b) => a - b);
}
