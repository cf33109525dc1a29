import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { systemCode } from "../../src/base/errors.ts";
import { eventually, type Scope } from "../helpers/resources.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

const LIMIT_MS = 1_800_000;
/** The kernel closes what it has not used for 5 s. */
const IDLE_MS = 20_000;
const DAEMONS = ["kernel", "supervisor"] as const;

/** What a daemon uses at one moment. */
export interface DaemonUsage {
  /** The kind of each open descriptor, sorted. */
  readonly descriptors: readonly string[];
  readonly children: number;
  /** Memory that is its own alone. */
  readonly privateBytes: number;
}

type Usages = Readonly<Record<(typeof DAEMONS)[number], DaemonUsage>>;

/** What was seen after some restarts. */
export interface RestartSample extends Usages {
  readonly restarts: number;
  readonly journalBytes: number;
  /** Processes in the kernel's list. */
  readonly listed: number;
  readonly spoolDirectories: number;
  readonly archiveFiles: number;
  readonly archiveBytes: number;
}

export interface RestartReport {
  /** While restarts go on. */
  readonly samples: readonly RestartSample[];
  /** With the service stopped: at the first sample and at the end. */
  readonly atRest: readonly [Usages, Usages];
  /** What kernel and supervisor wrote to their logs. */
  readonly logs: readonly string[];
}

/**
 * Has a service end at once and restart, with the shortest backoff, this many times. It is stopped after the
 * first sample and at the end, so that what the daemons use can be compared.
 */
export async function restartQuickly(
  scope: Scope,
  { restarts, every }: { readonly restarts: number; readonly every: number },
): Promise<RestartReport> {
  const app = new SupervisedApp(scope);
  // Until the file is there it lives, so that `up` succeeds.
  const script = "[ -e quick ] || exec sleep 1000; echo a line of output";
  const restart = { max: 1_000_000, within: "1s", backoff: { min: "1ms", max: "2ms" } };
  const quick = { run: ["/bin/sh", "-c", script], restart };
  const up = await app.up({ services: { quick } });
  assert.ok(up.ok, JSON.stringify(up.failed));
  app.write("quick", "");
  for (const pid of Object.values(await app.pids("quick"))) process.kill(pid, "SIGKILL");
  const kernel = await app.kernel();
  const pids = {
    kernel: (await kernel.status()).pid,
    supervisor: (await (await app.supervisor()).hello()).pid,
  };
  const usages = (): Usages => ({
    kernel: usageOf(pids.kernel),
    supervisor: usageOf(pids.supervisor),
  });
  const atRest = async (): Promise<Usages> => {
    assert.ok((await app.verb("stop", "quick")).ok);
    await eventually(
      async () => (await kernel.processes.list()).every(({ running }) => !running),
      "all have ended",
    );
    return usages();
  };
  const sample = async (): Promise<RestartSample> => ({
    restarts: (await app.service("quick")).restarts,
    ...usages(),
    journalBytes: statSync(app.home.journal).size,
    listed: (await kernel.processes.list()).length,
    spoolDirectories: readdirSync(app.home.spoolDirectory).length,
    ...archiveOf(app.home.archiveDirectory),
  });

  const samples: RestartSample[] = [];
  let first: Usages | undefined;
  for (let reached = every; reached <= restarts; reached += every) {
    await eventually(
      async () => (await app.service("quick")).restarts >= reached,
      `${reached} restarts`,
      LIMIT_MS,
    );
    samples.push(await sample());
    if (first !== undefined) continue;
    first = await atRest();
    // It ends too soon to be called ready, and is started again all the same.
    void app.verb("start", "quick");
  }
  assert.ok(first !== undefined);
  const before = first;
  let last = await atRest();
  // What is kept open for a moment after its last use is not held.
  const deadline = performance.now() + IDLE_MS;
  while (opensMore(before, last) && performance.now() < deadline) {
    await sleep(100);
    last = usages();
  }
  const logs = [app.home.kernelLog, app.home.supervisorLog].map((log) => readFileSync(log, "utf8"));
  return { samples, atRest: [before, last], logs };
}

/** Whether a daemon has more descriptors than before. */
function opensMore(before: Usages, after: Usages): boolean {
  return DAEMONS.some(
    (daemon) => after[daemon].descriptors.length > before[daemon].descriptors.length,
  );
}

/** Bytes of private memory a restart, by least squares over these samples. */
export function memorySlope(
  samples: readonly RestartSample[],
  daemon: (typeof DAEMONS)[number],
): number {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const x = mean(samples.map(({ restarts }) => restarts));
  const y = mean(samples.map((each) => each[daemon].privateBytes));
  let [above, below] = [0, 0];
  for (const each of samples) {
    above += (each.restarts - x) * (each[daemon].privateBytes - y);
    below += (each.restarts - x) ** 2;
  }
  return above / below;
}

function usageOf(pid: number): DaemonUsage {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  let kilobytes = 0;
  for (const [, size] of rollup.matchAll(/^Private_\w+:\s+(\d+) kB$/gm)) kilobytes += Number(size);
  return {
    descriptors: descriptorsOf(`/proc/${pid}/fd`),
    children: children.split(" ").filter(Boolean).length,
    privateBytes: kilobytes * 1_024,
  };
}

/** The output of the last replicas stays open, under names that change. */
function descriptorsOf(directory: string): string[] {
  const kinds = readdirSync(directory).map((fd) => {
    try {
      return readlinkSync(join(directory, fd)).replace(/:\[\d+\]$|(?<=\/spool\/).*/, "");
    } catch (error) {
      // While restarts go on, it may be closed at any moment.
      if (systemCode(error) === "ENOENT") return "closed";
      throw error;
    }
  });
  return kinds.sort();
}

function archiveOf(directory: string): Pick<RestartSample, "archiveFiles" | "archiveBytes"> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const sizes = files.map(({ parentPath, name }) => {
    // A file may be replaced at any moment.
    return statSync(join(parentPath, name), { throwIfNoEntry: false })?.size ?? 0;
  });
  return { archiveFiles: files.length, archiveBytes: sizes.reduce((sum, size) => sum + size, 0) };
}
