import assert from "node:assert/strict";
import { join } from "node:path";

import { openJobStore } from "../../../src/jobs/sqlite/index.ts";
import { eventually, type Scope, temporaryDirectory } from "../../helpers/resources.ts";
import { openQueue, type Program, said, startProgram } from "./many.ts";

/** The observations while processes were killed. */
export interface KillReport {
  readonly jobs: number;
  readonly kills: number;
  /** Handlers that were running when their process was killed. */
  readonly inFlight: number;
  /** Time from every second kill to the restart of its jobs, in milliseconds; no other process is killed until then. */
  readonly resumedMs: { readonly median: number; readonly p95: number; readonly most: number };
}

interface Killed {
  readonly at: number;
  readonly inFlight: readonly string[];
  readonly timed: boolean;
}

const WORKERS = 4;
const PRODUCERS = 2;
const CONCURRENCY = "5";
const WORK_MS = "60";
/** The smallest number of waiting jobs while processes are killed. */
const SUPPLY = 100;
const MAX_EVENTS = 1_000_000;

/**
 * Adds jobs from two processes and works on them in four, all on one file, while one of them is killed again
 * and again; then checks that every job whose adding was answered is completed, once.
 */
export async function killAtRandom(
  scope: Scope,
  { jobs, kills }: { readonly jobs: number; readonly kills: number },
): Promise<KillReport> {
  const path = join(temporaryDirectory(scope), "jobs.db");
  const queue = openQueue(scope, path, "q", { streams: { events: { maxLen: MAX_EVENTS } } });
  await queue.getVersion();
  const programs: Program[] = [];
  const start = (name: string, ...args: string[]): Program => {
    const program = startProgram(scope, name, path, "q", ...args);
    programs.push(program);
    return program;
  };
  const workers = Array.from({ length: WORKERS }, () => start("worker", WORK_MS, CONCURRENCY));
  const each = jobs / PRODUCERS;
  const producers = Array.from({ length: PRODUCERS }, () => start("producer", String(each)));
  const left = producers.map(() => each);
  const killed: Killed[] = [];
  const supplied: string[] = [];
  // On a busy machine a kill takes as long as many jobs: these must not run out before the last kill.
  const supply = async (): Promise<void> => {
    if ((await queue.count()) > SUPPLY) return;
    const more = await queue.addBulk(
      Array.from({ length: SUPPLY }, () => ({ name: "n", data: { from: process.pid } })),
    );
    supplied.push(...more.map(({ id = "" }) => id));
  };
  for (let turn = 0; turn < kills; turn += 1) {
    await pause(30 + Math.random() * 240);
    // One in ten is a producer, while there is one.
    const producer = turn % PRODUCERS;
    const adding = producers[producer];
    if (turn % 10 === 9 && adding !== undefined && adding.child.exitCode === null) {
      await kill(adding);
      left[producer] = (left[producer] ?? 0) - said(adding, "added").length;
      producers[producer] = start("producer", String(left[producer]));
      continue;
    }
    // Kills a worker that has a job, since a starting one has nothing to lose, and only while another one
    // works: the start time of a process is not measured.
    const worker = await eventually(
      async () => {
        await supply();
        const working = shuffled(workers).filter((each) => inFlight(each).length > 0);
        return working.length > 1 ? working[0] : undefined;
      },
      "two workers work",
      60_000,
    );
    const at = Date.now();
    const jobs = await kill(worker);
    killed.push({ at, inFlight: jobs, timed: turn % 2 === 0 });
    workers[workers.indexOf(worker)] = start("worker", WORK_MS, CONCURRENCY);
    if (turn % 2 === 0)
      await eventually(
        () => jobs.every((id) => nextAfter(beginnings(workers).get(id), at) < Infinity),
        "what it worked on begins again",
        60_000,
      );
  }
  await eventually(
    () => producers.every(({ child }) => child.exitCode === 0),
    "all jobs are added",
    300_000,
  );
  await eventually(
    async () => (await queue.count()) + (await queue.getActiveCount()) === 0,
    "all are done",
    300_000,
  );
  await checkOutcome(path, programs, supplied);
  return report(programs, killed, jobs, kills);
}

/** Kills a program. @returns the jobs whose handlers had begun and not ended */
async function kill(program: Program): Promise<string[]> {
  const { child } = program;
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("close", resolve));
  return inFlight(program);
}

function inFlight(program: Program): string[] {
  const ended = new Set(said(program, "end").map(([id]) => id));
  return said(program, "begin").flatMap(([id = ""]) => (ended.has(id) ? [] : [id]));
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((each): [number, T] => [Math.random(), each])
    .sort(([a], [b]) => a - b)
    .map(([, each]) => each);
}

async function checkOutcome(
  path: string,
  programs: readonly Program[],
  supplied: readonly string[],
): Promise<void> {
  const store = await openJobStore(path);
  try {
    const counts = (await store.counts())["bull:q"] ?? {};
    const answered = new Set([
      ...supplied,
      ...programs.flatMap((program) => said(program, "added").map(([id]) => id)),
    ]);
    // A producer that was killed may have added one whose answer it did not live to see.
    assert.ok((counts["completed"] ?? 0) >= answered.size, JSON.stringify(counts));
    assert.equal(counts["failed"], 0);
    assert.deepEqual(await store.check("full"), []);
    const completed = new Set<string>();
    let cursor: number | undefined;
    do {
      const page = await store.search({ states: ["completed"] }, { limit: 1_000, cursor });
      for (const { job } of page.jobs) {
        completed.add(job.id);
        // Each time it was begun but the last, its process was killed, and that was counted.
        assert.equal(job.attemptsStarted, 1 + job.stalledCounter, `job ${job.id}`);
        assert.equal(job.attemptsMade, 1, `job ${job.id}`);
      }
      cursor = page.cursor;
    } while (cursor !== undefined);
    for (const id of answered) assert.ok(completed.has(id ?? ""), `job ${id} is lost`);
  } finally {
    await store.close();
  }
}

function report(
  programs: readonly Program[],
  killed: readonly Killed[],
  jobs: number,
  kills: number,
): KillReport {
  const begun = beginnings(programs);
  const took = killed
    .filter(({ timed }) => timed)
    .flatMap(({ at, inFlight }) => inFlight.map((id) => nextAfter(begun.get(id), at) - at));
  took.sort((a, b) => a - b);
  return {
    jobs,
    kills,
    inFlight: killed.reduce((sum, { inFlight }) => sum + inFlight.length, 0),
    resumedMs: {
      median: took[took.length >> 1] ?? 0,
      p95: took[Math.floor(took.length * 0.95)] ?? 0,
      most: took.at(-1) ?? 0,
    },
  };
}

/** When the handlers of jobs began, by job. */
function beginnings(programs: readonly Program[]): Map<string, number[]> {
  const begun = new Map<string, number[]>();
  for (const [id = "", at] of programs.flatMap((program) => said(program, "begin")))
    begun.set(id, [...(begun.get(id) ?? []), Number(at)]);
  return begun;
}

/** The first time after one; `Infinity` when there is none. */
function nextAfter(times: readonly number[] = [], at: number): number {
  return Math.min(...times.filter((time) => time > at));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
