import { Random } from "../simulation/random.ts";
import type { Fault, Outcome, Point, Trial } from "./fault.ts";
import { countCalls, pointKey, runTrial } from "./trial.ts";

type Program = Trial["program"];

/** The system calls of the job store and of SQLite that change files on disk. */
const STORE: readonly Point[] = [
  { op: "sync", file: "-wal" },
  { op: "sync", file: "jobs.db" },
  { op: "sync", file: "-journal" },
  { op: "write", file: "-wal" },
  { op: "write", file: "jobs.db" },
  { op: "write", file: "-journal" },
  { op: "truncate", file: "-wal" },
  { op: "truncate", file: "jobs.db" },
  { op: "truncate", file: "-journal" },
  { op: "open", file: "-wal" },
  { op: "open", file: "jobs.db" },
  { op: "open", file: "-journal" },
  { op: "unlink", file: "-wal" },
  { op: "unlink", file: "-journal" },
  { op: "sync", file: "pair.json" },
  { op: "write", file: "pair.json" },
  { op: "truncate", file: "pair.json" },
  { op: "open", file: "pair.json" },
];

/** The same of the kernel; `/` is the directory. */
const JOURNAL: readonly Point[] = [
  { op: "sync", file: "journal" },
  { op: "write", file: "journal" },
  { op: "rename", file: "journal" },
  { op: "open", file: "journal" },
  { op: "truncate", file: "journal" },
  { op: "sync", file: "journal.next" },
  { op: "write", file: "journal.next" },
  { op: "open", file: "journal.next" },
  { op: "sync", file: "/" },
];

const POINTS: Readonly<Record<Program, readonly Point[]>> = {
  adder: STORE,
  control: STORE,
  kernel: JOURNAL,
  singleton: JOURNAL,
};

type Setting = Pick<Trial, "synchronous" | "processes" | "end">;

const OF_STORE: readonly Setting[] = [1, 3].flatMap((processes) =>
  (["full", "normal"] as const).map((synchronous) => ({ synchronous, processes })),
);

const SETTINGS: Readonly<Record<Program, readonly Setting[]>> = {
  adder: OF_STORE,
  control: OF_STORE,
  // One kernel has a home. A kill leaves its sockets and processes too.
  kernel: [
    { synchronous: "full", processes: 1, end: "power" },
    { synchronous: "full", processes: 1, end: "kill" },
  ],
  // One process is the owner, and the others call it.
  singleton: [
    { synchronous: "full", processes: 1, end: "power" },
    { synchronous: "full", processes: 3, end: "power" },
  ],
};

/** Which of the calls fails, in so far as there are so many: the first ones make the file. */
const AT = [1, 2, 3, 5, 9, 16, 30, 60, 120, 400] as const;
/** How many tracked calls after the failure the power is cut. */
const CUTS = [0, 2, 10, 50, 150, 400, 1_000] as const;
/** The first part of the counted calls, which each run makes: their number differs from run to run. */
const SURE = 0.6;
/** How often a trial is run at most until its fault is reached: the work at rest depends on the load of the machine. */
const TRIES = 4;

/** How often one process reaches each point in a run without a fault, for each setting. */
export type Calls = (setting: Setting) => ReadonlyMap<string, number>;

/** Counts the calls of a program to which nothing happens, in each setting. */
export async function countAll(shim: string, directory: string, program: Program): Promise<Calls> {
  const key = ({ synchronous, end }: Setting): string => `${synchronous} ${end}`;
  const counted = new Map<string, ReadonlyMap<string, number>>();
  for (const setting of SETTINGS[program]) {
    if (counted.has(key(setting))) continue;
    const alone = { ...setting, program, processes: 1 };
    counted.set(key(setting), await countCalls(shim, directory, alone, POINTS[program]));
  }
  return (setting) => counted.get(key(setting)) ?? new Map<string, number>();
}

/** All failures at a point; the moment of the power cut is random. */
function faultsAt(point: Point, calls: number, random: Random): Fault[] {
  const failures = (["EIO", "ENOSPC", "short"] as const).filter(
    (failure) => failure !== "short" || point.op === "write",
  );
  const places = AT.filter((at) => (at === 1 ? calls > 0 : at <= calls * SURE));
  return failures.flatMap((failure) =>
    places.map((at) => ({ ...point, at, failure, cutAfter: random.pick(CUTS) })),
  );
}

/** Every fault that a run reaches, in each setting of the program. */
export function allTrials(program: Program, seed: number, calls: Calls): Trial[] {
  const random = new Random(seed);
  return SETTINGS[program].flatMap((setting) =>
    POINTS[program].flatMap((point) =>
      faultsAt(point, calls(setting).get(pointKey(point)) ?? 0, random).map((fault) => ({
        program,
        ...setting,
        fault,
      })),
    ),
  );
}

/** Some of the trials, by a seed: each point in each setting about equally often. */
export function someTrials(program: Program, seed: number, calls: Calls, count: number): Trial[] {
  const random = new Random(seed);
  const [points, settings] = [POINTS[program], SETTINGS[program]];
  const left = allTrials(program, seed, calls);
  const chosen: Trial[] = [];
  for (let turn = 0; chosen.length < count && left.length > 0; turn += 1) {
    const number = turn % points.length;
    const point = points[number];
    const setting = settings[(number + Math.floor(turn / points.length)) % settings.length];
    const fitting = left.filter((trial) => isOf(trial, point, setting));
    if (fitting.length === 0) continue;
    const trial = random.pick(fitting);
    left.splice(left.indexOf(trial), 1);
    chosen.push(trial);
  }
  return chosen;
}

function isOf({ fault, ...trial }: Trial, point?: Point, setting?: Setting): boolean {
  return (
    fault.op === point?.op &&
    fault.file === point.file &&
    trial.synchronous === setting?.synchronous &&
    trial.processes === setting.processes &&
    trial.end === setting.end
  );
}

/** Runs a trial, again when its fault was not reached. */
async function reach(shim: string, directory: string, trial: Trial): Promise<Outcome> {
  for (let tries = 1; ; tries += 1) {
    const outcome = await runTrial(shim, directory, trial);
    const isDone = outcome.reached || outcome.lost > 0 || outcome.problem !== undefined;
    if (isDone || tries === TRIES) return outcome;
  }
}

/** Runs several trials at once, each in its own directory. */
export async function runTrials(
  shim: string,
  directory: string,
  trials: readonly Trial[],
  atOnce: number,
  onOutcome: (trial: Trial, outcome: Outcome) => void,
): Promise<void> {
  const next = trials.values();
  let failure: { readonly error: unknown } | undefined;
  await Promise.all(
    Array.from({ length: atOnce }, async (_, number) => {
      for (const trial of next) {
        if (failure !== undefined) return;
        try {
          onOutcome(trial, await reach(shim, `${directory}/${number}`, trial));
        } catch (error) {
          // The other trials end before their directories are removed.
          failure = { error };
        }
      }
    }),
  );
  if (failure !== undefined) throw failure.error;
}

/** A trial in a line. */
export function describe({ program, synchronous, processes, end, fault }: Trial): string {
  const { op, file, at, failure, cutAfter } = fault;
  const how = end === "kill" ? "all are killed" : "power cut";
  return `${program} ${synchronous}, ${processes} processes: ${op} ${at} of ${file} fails with ${failure}, ${how} ${cutAfter} calls later`;
}
