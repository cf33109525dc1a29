import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { systemCode } from "../../src/base/errors.ts";
import { eventually, type Scope } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { SupervisedApp } from "../helpers/supervised.ts";
import { liveBytes } from "./heap.ts";

const LIMIT_MS = 1_800_000;
/** The kernel closes descriptors that were unused for 5 s. */
const IDLE_MS = 20_000;
const DAEMONS = ["kernel", "supervisor"] as const;

/** The resources of a daemon at one moment. */
export interface DaemonUsage {
  /** The kind of each open descriptor, sorted. */
  readonly descriptors: readonly string[];
  readonly children: number;
  /** Memory that is its own alone. */
  readonly privateBytes: number;
}

type Usages = Readonly<Record<(typeof DAEMONS)[number], DaemonUsage>>;

/** The observations after a number of restarts. */
export interface RestartSample extends Usages {
  readonly restarts: number;
  readonly journalBytes: number;
  /** Processes in the kernel's list. */
  readonly listed: number;
  readonly spoolDirectories: number;
  readonly archiveFiles: number;
  readonly archiveBytes: number;
}

/** The usage of the daemons while no service runs. */
export interface RestSample extends Usages {
  readonly restarts: number;
  /** The bytes of living objects and buffers, where they are measured. */
  readonly live?: Readonly<Record<(typeof DAEMONS)[number], number>>;
}

export interface RestartReport {
  /** During the restarts. */
  readonly samples: readonly RestartSample[];
  /** With the service stopped: at the first sample, at each multiple of `restEvery`, and at the end. */
  readonly atRest: readonly RestSample[];
  /** The log output of kernel and supervisor. */
  readonly logs: readonly string[];
}

interface RestartOptions {
  readonly restarts: number;
  /** Restarts from one sample to the next. */
  readonly every: number;
  /**
   * Restarts from one rest to the next, at each of which the living objects are measured. Without it there is a rest at
   * the first sample and one at the end, without that measurement.
   */
  readonly restEvery?: number;
}

/**
 * Has a service end at once and restart, with the shortest backoff, this many times. It is stopped for each
 * rest, so that the usage of the daemons can be compared.
 */
export async function restartQuickly(
  scope: Scope,
  { restarts, every, restEvery }: RestartOptions,
): Promise<RestartReport> {
  const app = new SupervisedApp(scope);
  // Until the file is there it lives, so that `up` succeeds.
  const script = "[ -e quick ] || exec sleep 1000; echo a line of output";
  const restart = { max: 1_000_000, within: "1s", backoff: { min: "1ms", max: "2ms" } };
  const quick = { run: ["/bin/sh", "-c", script], restart };
  const up = await app.up({ services: { quick } });
  assert.ok(up.ok, JSON.stringify(up.failed));
  app.write("quick", "");
  for (const pid of Object.values(await app.pids("quick"))) sendSignal(pid, "SIGKILL");
  const kernel = await app.kernel();
  const pids = {
    kernel: (await kernel.status()).pid,
    supervisor: (await (await app.supervisor()).hello()).pid,
  };
  const usages = (): Usages => ({
    kernel: usageOf(pids.kernel),
    supervisor: usageOf(pids.supervisor),
  });
  // The number at the end of a kernel's name counts the starts; the count of the service begins again with a start.
  const reached = async (): Promise<number> =>
    Math.max(...(await kernel.processes.list()).map(({ name }) => runOf(name)));
  const rest = async (): Promise<RestSample> => {
    assert.ok((await app.verb("stop", "quick")).ok);
    await eventually(
      async () => (await kernel.processes.list()).every(({ running }) => !running),
      "all have ended",
    );
    const count = await reached();
    if (restEvery === undefined) return { restarts: count, ...usages() };
    const live = {
      kernel: await liveBytes(pids.kernel),
      supervisor: await liveBytes(pids.supervisor),
    };
    return { restarts: count, live, ...usages() };
  };
  const sample = async (): Promise<RestartSample> => ({
    restarts: await reached(),
    ...usages(),
    journalBytes: statSync(app.home.journal).size,
    listed: (await kernel.processes.list()).length,
    spoolDirectories: readdirSync(app.home.spoolDirectory).length,
    ...archiveOf(app.home.archiveDirectory),
  });

  const samples: RestartSample[] = [];
  const atRest: RestSample[] = [];
  for (let next = every; next <= restarts; next += every) {
    await eventually(async () => (await reached()) >= next, `${next} restarts`, LIMIT_MS);
    samples.push(await sample());
    const isTime = restEvery !== undefined && next % restEvery === 0;
    if ((atRest.length > 0 && !isTime) || next + every > restarts) continue;
    atRest.push(await rest());
    // The replica ends too soon to be called ready, and is restarted nevertheless.
    void app.verb("start", "quick");
  }
  const [first] = atRest;
  assert.ok(first !== undefined);
  let last = await rest();
  // Descriptors that stay open for a moment after their last use are not counted.
  const deadline = performance.now() + IDLE_MS;
  while (opensMore(first, last) && performance.now() < deadline) {
    await sleep(100);
    last = { ...last, ...usages() };
  }
  atRest.push(last);
  const logs = [app.home.kernelLog, app.home.supervisorLog].map((log) => readFileSync(log, "utf8"));
  return { samples, atRest, logs };
}

/** The number of the start in the kernel's name of a process: `app/quick.1#17-3fa9c2d1`. */
function runOf(name: string): number {
  return Number(/#(\d+)-/.exec(name)?.[1] ?? 0);
}

/** Whether a daemon has more descriptors than before. */
function opensMore(before: Usages, after: Usages): boolean {
  return DAEMONS.some(
    (daemon) => after[daemon].descriptors.length > before[daemon].descriptors.length,
  );
}

/** The growth of a value for each restart, by least squares over these samples. */
export function growth(
  samples: readonly RestSample[],
  valueOf: (sample: RestSample) => number,
): number {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const x = mean(samples.map(({ restarts }) => restarts));
  const y = mean(samples.map(valueOf));
  let [above, below] = [0, 0];
  for (const each of samples) {
    above += (each.restarts - x) * (valueOf(each) - y);
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
      // During the restarts it may be closed at any moment.
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
