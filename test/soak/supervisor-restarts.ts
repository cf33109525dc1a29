// Soak: 5,000 quick restarts of one service. Fails when descriptors, children, or the living objects of a daemon
// grow, or the journal, the list of processes or the archive goes beyond its bound.
// `node test/soak/supervisor-restarts.ts [restarts]`, 3,000 at least; one line at the end, exit code 1 on failure.
import {
  type DaemonUsage,
  growth,
  restartQuickly,
  type RestartSample,
} from "../load/restart-scenario.ts";
import { withScope } from "../load/scope.ts";

const EVERY = 100;
/** Restarts before the memory is read: code is compiled, and caches and heaps have their size. */
const WARM_UP = 1_000;
/** Restarts from one reading of the memory to the next; each reading adds 0.1 MB, which the inspector keeps. */
const REST_EVERY = 1_000;
/**
 * Growth of the living objects that is no leak: the kernel's state of its journal grows by 0.6 MB until the journal is
 * replaced, after 2,000 restarts. An object of 1 kB that is kept for each restart is twice as large.
 */
const LIVE_BYTES = 500;
/**
 * Growth of the private memory that is no leak: the code that is compiled as it gets hot, and the pages that a heap keeps
 * after a collection, 1,200 bytes in the first 5,000 restarts and less later. The limit is for memory outside the heap.
 */
const PRIVATE_BYTES = 3_000;
const MOST = {
  // A timer of 5 s replaces the journal above 1 MiB.
  journalBytes: 4 << 20,
  // One replica and its former runs.
  listed: 12,
  spoolDirectories: 12,
  archiveFiles: 16,
  archiveBytes: 2 << 20,
} as const satisfies Partial<Record<keyof RestartSample, number>>;
type Bounded = keyof typeof MOST;

function countOf(kind: string, { descriptors }: DaemonUsage): number {
  return descriptors.filter((each) => each === kind).length;
}

async function run(restarts: number): Promise<{ ok: boolean } & Record<string, unknown>> {
  const started = performance.now();
  const report = await withScope((scope) =>
    restartQuickly(scope, { restarts, every: EVERY, restEvery: REST_EVERY }),
  );
  const seconds = Math.round((performance.now() - started) / 1_000);
  // Living objects, because the garbage of a busy heap changes by 20 MB from one moment to the next.
  const warm = report.atRest.filter((rest) => rest.restarts >= Math.min(WARM_UP, restarts / 5));
  const [before, after] = [report.atRest.at(0), report.atRest.at(-1)];
  if (before === undefined || after === undefined) throw new Error("the report has no rest");
  const problems: string[] = [];
  const daemons: Record<string, unknown> = {};
  for (const daemon of ["kernel", "supervisor"] as const) {
    const live = Math.round(growth(warm, (rest) => rest.live?.[daemon] ?? Number.NaN));
    const own = Math.round(growth(warm, (rest) => rest[daemon].privateBytes));
    const [was, is] = [before[daemon], after[daemon]];
    if (!(live <= LIVE_BYTES)) problems.push(`${daemon}: ${live} bytes of objects a restart`);
    if (!(own <= PRIVATE_BYTES)) problems.push(`${daemon}: ${own} bytes of memory a restart`);
    if (is.children !== was.children)
      problems.push(`${daemon}: ${was.children} then ${is.children} children`);
    const more = is.descriptors.filter((each) => countOf(each, is) > countOf(each, was));
    if (is.descriptors.length > was.descriptors.length)
      problems.push(
        `${daemon}: ${was.descriptors.length} then ${is.descriptors.length} descriptors, more: ${[...new Set(more)].join(" ")}`,
      );
    const megabytes = (bytes: number): number => Math.round(bytes / 1e5) / 10;
    daemons[daemon] = {
      descriptors: is.descriptors.length,
      liveMB: warm.map((rest) => megabytes(rest.live?.[daemon] ?? Number.NaN)).join(" "),
      privateMB: warm.map((rest) => megabytes(rest[daemon].privateBytes)).join(" "),
      bytesEach: { live, private: own },
    };
  }
  const most: Partial<Record<Bounded, number>> = {};
  for (const key of Object.keys(MOST) as Bounded[]) {
    const value = Math.max(...report.samples.map((sample) => sample[key]));
    most[key] = value;
    if (value > MOST[key]) problems.push(`${key} ${value}, above ${MOST[key]}`);
  }
  return { ok: problems.length === 0, restarts, seconds, ...daemons, most, problems };
}

try {
  const result = await run(Number(process.argv[2] ?? 5_000));
  console.log(JSON.stringify({ soak: "supervisor-restarts", ...result }));
  process.exitCode = result.ok ? 0 : 1;
} catch (error) {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  console.log(`supervisor-restarts: FAILED: ${what.replaceAll("\n", " ")}`);
  process.exitCode = 1;
}
