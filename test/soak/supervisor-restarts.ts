// Soak: 5,000 quick restarts of one service. Fails when descriptors, children or memory of a daemon grow, or
// the journal, the list of processes or the archive goes beyond its bound. `node
// test/soak/supervisor-restarts.ts [restarts]`; one line at the end, exit code 1 on failure.
import {
  type DaemonUsage,
  memorySlope,
  restartQuickly,
  type RestartSample,
} from "../load/restart-scenario.ts";
import { withScope } from "../load/scope.ts";

const EVERY = 100;
/** Restarts before the memory is looked at: code is compiled, caches and heaps have their size. */
const WARM_UP = 1_000;
/** Growth that is noise of the garbage collection: 4 MB in 4,000 restarts. */
const SLOPE_BYTES = 1_000;
const MOST = {
  // It is replaced above 1 MiB by a timer of 5 s.
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
  const report = await withScope((scope) => restartQuickly(scope, { restarts, every: EVERY }));
  const seconds = Math.round((performance.now() - started) / 1_000);
  const warm = report.samples.filter(
    (sample) => sample.restarts >= Math.min(WARM_UP, restarts / 5),
  );
  const [before, after] = report.atRest;
  const problems: string[] = [];
  const daemons: Record<string, unknown> = {};
  for (const daemon of ["kernel", "supervisor"] as const) {
    const slope = Math.round(memorySlope(warm, daemon));
    const [was, is] = [before[daemon], after[daemon]];
    if (slope > SLOPE_BYTES) problems.push(`${daemon}: ${slope} bytes a restart`);
    if (is.children !== was.children)
      problems.push(`${daemon}: ${was.children} then ${is.children} children`);
    const more = is.descriptors.filter((each) => countOf(each, is) > countOf(each, was));
    if (is.descriptors.length > was.descriptors.length)
      problems.push(
        `${daemon}: ${was.descriptors.length} then ${is.descriptors.length} descriptors, more: ${[...new Set(more)].join(" ")}`,
      );
    const megabytes = warm.map((sample) => Math.round(sample[daemon].privateBytes / 1e5) / 10);
    const memoryMB = `${megabytes.at(0)} → ${megabytes.at(-1)}, at most ${Math.max(...megabytes)}`;
    daemons[daemon] = { descriptors: is.descriptors.length, memoryMB, bytesEach: slope };
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
