import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import type * as JobsModule from "../../../src/jobs/index.ts";
import type { Jobs } from "../../../src/jobs/index.ts";
import { eventually, type Scope, temporaryDirectory } from "../../../test/helpers/resources.ts";
import { sharedClock } from "../../../test/helpers/shared-clock.ts";
import { fromDist } from "../../prepare.ts";
import { type Definitions, end, NEWEL_MODULE, startServer } from "./contenders.ts";

/** The reaction time of the job server to a dead process and to a cancel request, in milliseconds. */
export interface Reactions {
  /** From SIGKILL of the process that runs a job to the beginning of its next attempt. */
  readonly again: readonly number[];
  /** From the call of `cancel` to the abort of `ctx.signal`. */
  readonly told: readonly number[];
}

const PAUSE_MS = 1_000;

interface Note {
  readonly at: number;
  readonly what: string;
  readonly pid: number;
}

export async function measureReactions(
  scope: Scope,
  store: string,
  count: number,
): Promise<Reactions> {
  const { Jobs } = await fromDist<typeof JobsModule>("jobs/index");
  const { held } = (await import(NEWEL_MODULE)) as Definitions;
  const directory = temporaryDirectory(scope);
  const server = await startServer(scope, store);
  const jobs = new Jobs({ store });
  const again: number[] = [];
  const told: number[] = [];
  try {
    for (let turn = 0; turn < count; turn += 1) {
      // The killed process is replaced at the same time.
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      const begin = async (name: string): Promise<Held> => {
        const notes = join(directory, `${name}-${turn}`);
        const { id } = await jobs.enqueue(held, { notes });
        return { id, notes, first: await noteOf(notes, "began", 0) };
      };
      again.push(await killed(jobs, await begin("kill")));
      told.push(await cancelled(jobs, await begin("cancel")));
    }
  } finally {
    await jobs.close();
    await end(server);
  }
  return { again, told };
}

interface Held {
  readonly id: string;
  readonly notes: string;
  readonly first: Note;
}

async function killed(jobs: Jobs, { id, notes, first }: Held): Promise<number> {
  const at = sharedClock();
  process.kill(first.pid, "SIGKILL");
  const second = await noteOf(notes, "began", 1);
  await ended(jobs, id);
  return second.at - at;
}

async function cancelled(jobs: Jobs, { id, notes }: Held): Promise<number> {
  const at = sharedClock();
  await jobs.cancel(id);
  const told = await noteOf(notes, "told", 0);
  await ended(jobs, id);
  return told.at - at;
}

async function ended(jobs: Jobs, id: string): Promise<void> {
  for await (const _ of jobs.events(id));
}

function noteOf(path: string, what: string, index: number): Promise<Note> {
  return eventually(
    () => readNotes(path).filter((note) => note.what === what)[index],
    `${what} is noted in ${path}`,
    20_000,
  );
}

function readNotes(path: string): Note[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => {
    const [at, what = "", pid] = line.split(" ");
    return { at: Number(at), what, pid: Number(pid) };
  });
}
