import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { execFile } from "node:child_process";

import { pino } from "pino";

import { Jobs } from "../../../src/jobs/jobs.ts";
import { findDeadlock, type WaitingRun } from "../../../src/jobs/server/deadlock.ts";
import { cleanUp, eventually, type Scope } from "../../helpers/resources.ts";
import { Random } from "../../simulation/random.ts";
import { following, flowing, nested, patient, reading, working } from "./fixtures/waiting-jobs.ts";
import { fixture, makeWorld, reaches, type World } from "./world.ts";

const MODULES = { modules: [fixture("waiting-jobs")] };
const CODE = "NEWEL_E_JOB_DEADLOCK";

interface Watched {
  readonly world: World;
  readonly jobs: Jobs;
  /** The messages of the server's log that have the code. */
  readonly reports: string[];
  readonly serve: (processes: number) => Promise<void>;
}

function watch(scope: Scope): Watched {
  const world = makeWorld(scope);
  const jobs = new Jobs({ store: world.store });
  cleanUp(scope, () => jobs.close());
  const reports: string[] = [];
  const log = pino({ level: "error" }, { write: (line: string) => void reports.push(line) });
  return {
    world,
    jobs,
    reports,
    serve: async (processes) => void (await world.serve({ ...MODULES, processes, log })),
  };
}

async function blockedOf({ jobs }: Watched): Promise<string[]> {
  return (await jobs.stats()).flatMap(({ blocked }) => blocked.map(({ run }) => run)).sort();
}

test("runs that hold all processes and wait for runs in the store are reported until they can continue", async (scope) => {
  const watched = watch(scope);
  const { world, jobs, reports, serve } = watched;
  await serve(2);
  const runs = [await jobs.enqueue(following, null), await jobs.enqueue(reading, null)];
  const blocked = await eventually(
    async () => ((await blockedOf(watched)).length === 2 ? blockedOf(watched) : undefined),
    "both runs are reported",
    60_000,
  );
  assert.deepEqual(blocked, runs.map(({ id }) => id).sort());
  assert.equal(reports.length, 1);
  const report = JSON.parse(reports[0] ?? "") as { code: string; limits: string[]; msg: string };
  assert.deepEqual([report.code, report.limits], [CODE, ["processes: 2"]]);
  for (const { id } of runs) assert.match(report.msg, new RegExp(`${id} for default~\\w+`));
  const { stderr } = await newel("jobs", "stats", "--store", world.store);
  assert.match(stderr, new RegExp(`${runs[0]?.id} for default~.*--processes.*${CODE}`, "su"));
  // Another server has permits for the children.
  await serve(2);
  const [first, second] = await Promise.all(runs.map(({ id }) => reaches(jobs, id, "done")));
  assert.deepEqual([first?.result, second?.result], ["followed", "read"]);
  await eventually(
    async () => (await blockedOf(watched)).length === 0,
    "nothing is blocked",
    30_000,
  );
});

test("a run that waits for a run of the same queue with concurrency 1 is reported", async (scope) => {
  const watched = watch(scope);
  await watched.serve(3);
  const { id } = await watched.jobs.enqueue(nested, "outer");
  await eventually(() => watched.reports.length > 0, "it is reported", 60_000);
  assert.match(watched.reports[0] ?? "", /concurrency of nested: 1/);
  // The statistics have it once the note of the server is stored, which is after the report in its log.
  const blocked = await eventually(async () => {
    const found = await blockedOf(watched);
    return found.length > 0 && found;
  }, "the statistics have it");
  assert.deepEqual(blocked, [id]);
  await watched.jobs.cancel(id);
  await eventually(
    async () => (await blockedOf(watched)).length === 0,
    "nothing is blocked",
    30_000,
  );
});

test("a run that waits for a flow, whose children need its permit, is reported", async (scope) => {
  const watched = watch(scope);
  await watched.serve(1);
  const { id } = await watched.jobs.enqueue(flowing, null);
  await eventually(() => watched.reports.length > 0, "it is reported", 60_000);
  // The statistics have it once the note of the server is stored, which is after the report in its log.
  const blocked = await eventually(async () => {
    const found = await blockedOf(watched);
    return found.length > 0 && found;
  }, "the statistics have it");
  assert.deepEqual(blocked, [id]);
});

test("runs that wait for runs which can start, and runs that only enqueue others, are not reported", async (scope) => {
  const { jobs, reports, serve } = watch(scope);
  await serve(2);
  // The children of all of these wait in the store for longer than a deadlock takes to be reported.
  const worked = await Promise.all([9_000, 9_000].map((ms) => jobs.enqueue(working, ms)));
  // Only one of them waits at a time, so its child always has a process.
  for (const { id } of worked) await reaches(jobs, id, "done");
  const { id } = await jobs.enqueue(patient, null);
  await reaches(jobs, id, "done");
  assert.deepEqual(reports, []);
});

/** Lets runs begin and end until none can, by the rules that the deadlocks are defined by. */
function runToTheEnd(sizes: ReadonlyMap<string, number>, runs: readonly WaitingRun[]): string[] {
  const left = new Map(runs.map((run) => [run.run, run]));
  const free = (limit: string): boolean => {
    const holders = [...left.values()].filter(({ holds }) => holds.includes(limit));
    return holders.length < (sizes.get(limit) ?? 0);
  };
  for (;;) {
    const ending = [...left.values()].find(
      ({ needs, waitsFor }) =>
        needs.every(free) && (waitsFor.length === 0 || waitsFor.some((run) => !left.has(run))),
    );
    if (ending === undefined) break;
    left.delete(ending.run);
  }
  return [...left.values()].filter(({ holds }) => holds.length > 0).map(({ run }) => run);
}

test("a deadlock is found exactly when the runs cannot end, in 20,000 random situations", () => {
  let found = 0;
  for (let seed = 1; seed <= 20_000; seed += 1) {
    const random = new Random(seed);
    const limits = ["a", "b", "c"].slice(0, random.between(1, 3));
    const names = Array.from({ length: random.between(1, 7) }, (_, at) => `run-${at}`);
    const runs = names.map((run) => {
      const some = limits.filter(() => random.chance(0.6));
      const executes = random.chance(0.6);
      const waitsFor = names.filter((name) => name !== run && random.chance(0.25));
      return {
        run,
        holds: executes ? some : [],
        needs: executes ? [] : some,
        waitsFor: executes || some.length === 0 ? waitsFor : [],
      };
    });
    // A limit has at least as many permits as are held.
    const sizes = new Map(
      limits.map((limit) => {
        const held = runs.filter(({ holds }) => holds.includes(limit)).length;
        return [limit, Math.max(1, held + random.pick([0, 0, 1]))];
      }),
    );
    const stuck = findDeadlock(sizes, runs)?.runs.map(({ run }) => run) ?? [];
    assert.deepEqual(stuck, runToTheEnd(sizes, runs), `seed ${seed}`);
    if (stuck.length > 0) found += 1;
  }
  assert.ok(found > 500, `${found} deadlocks`);
});

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));

function newel(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return run(process.execPath, [MAIN, ...args], { env: { ...process.env, NO_COLOR: "1" } });
}
