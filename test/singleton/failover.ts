import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { homeAt } from "../../src/base/home.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import { cleanUp, eventually, temporaryDirectory, type Scope } from "../helpers/resources.ts";
import { sharedClock } from "../helpers/shared-clock.ts";
import { sendSignal } from "../helpers/signals.ts";
import { endKernelOf } from "./kernel-of.ts";

/** An owner as a caller saw it, and the time of its first answer to that caller. */
export interface Seen {
  readonly epoch: number;
  readonly pid: number;
  readonly atMs: number;
}

export interface CallerReport {
  readonly seen: readonly Seen[];
  /** Increments that were acknowledged. */
  readonly counted: number;
  readonly calls: number;
  /** Calls that failed because their owner died, with the expected code. */
  readonly lost: number;
  /** Calls that failed in any other way. */
  readonly failures: readonly string[];
  readonly longestMs: number;
}

export interface FailoverResult {
  readonly flaws: readonly string[];
  readonly kills: number;
  readonly calls: number;
  readonly lost: number;
  readonly counted: number;
  readonly longestCallMs: number;
  /** Times from the kill to the first answer of the next owner, for each caller and kill. */
  readonly takeoverMs: { readonly p50: number; readonly p95: number; readonly max: number };
}

const CALLERS = 4;
/** One more is started when the owner is about to be killed. */
const CANDIDATES = 2;
const program = (name: string): string =>
  fileURLToPath(new URL(`fixtures/${name}.ts`, import.meta.url));

/** Kills the owner of a counter repeatedly, while callers never stop calling. */
export async function failOver(scope: Scope, kills: number): Promise<FailoverResult> {
  const home = temporaryDirectory(scope);
  cleanUp(scope, () => endKernelOf(home));
  const options = JSON.stringify({ name: "counter", home });
  const start = (name: string): ChildProcess => {
    const child = fork(program(name), [options]);
    cleanUp(scope, () => ended(child));
    return child;
  };
  const candidates = new Map<number, ChildProcess>();
  const add = async (): Promise<void> => {
    const child = start("candidate");
    await once(child, "message");
    candidates.set(child.pid ?? 0, child);
  };
  for (let count = 0; count < CANDIDATES; count += 1) await add();
  const callers = Array.from({ length: CALLERS }, () => start("caller"));
  await Promise.all(callers.map((caller) => once(caller, "message")));

  const kernel = await connectKernel({ home: homeAt(home) });
  cleanUp(scope, () => kernel.close());
  const holder = async (): Promise<
    { readonly pid: number; readonly epoch: number } | undefined
  > => {
    const [claim] = await kernel.claims.list("singleton/counter");
    return claim && { pid: claim.holder.pid, epoch: claim.epoch };
  };
  const killed: { readonly epoch: number; readonly atMs: number }[] = [];
  while (killed.length < kills) {
    const owner = await eventually(async () => {
      const now = await holder();
      return now !== undefined && now.epoch > (killed.at(-1)?.epoch ?? 0) ? now : undefined;
    }, "the next owner");
    // Its replacement first: a starting program would share the processors with the takeover.
    await add();
    // At another point of a call each time.
    await new Promise((resolve) => setTimeout(resolve, 60 + Math.random() * 20));
    killed.push({ epoch: owner.epoch, atMs: sharedClock() });
    sendSignal(owner.pid, "SIGKILL");
    candidates.delete(owner.pid);
  }
  const reports = await Promise.all(callers.map(stop));
  const saved = JSON.parse((await kernel.values.get("singleton/counter")) ?? "{}") as {
    state?: { count?: number };
  };
  return judge(reports, killed, saved.state?.count ?? 0);
}

async function stop(caller: ChildProcess): Promise<CallerReport> {
  const report = once(caller, "message") as Promise<[CallerReport]>;
  caller.send("stop");
  return (await report)[0];
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

function judge(
  reports: readonly CallerReport[],
  killed: readonly { readonly epoch: number; readonly atMs: number }[],
  total: number,
): FailoverResult {
  const flaws = reports.flatMap(({ failures }) => failures);
  const owners = new Map<number, number>();
  const takeovers: number[] = [];
  for (const { seen } of reports) {
    for (const [index, { epoch, pid, atMs }] of seen.entries()) {
      if (epoch <= (seen[index - 1]?.epoch ?? 0)) flaws.push(`epoch ${epoch} came late`);
      if ((owners.get(epoch) ?? pid) !== pid) flaws.push(`two owners answered in epoch ${epoch}`);
      owners.set(epoch, pid);
      const kill = killed.find((one) => one.epoch === epoch - 1);
      if (kill !== undefined) takeovers.push(atMs - kill.atMs);
    }
  }
  const counted = reports.reduce((sum, report) => sum + report.counted, 0);
  if (counted !== total) flaws.push(`${counted} increments acknowledged, ${total} counted`);
  takeovers.sort((a, b) => a - b);
  const share = (part: number): number =>
    Math.round((takeovers[Math.ceil(takeovers.length * part) - 1] ?? 0) * 10) / 10;
  return {
    flaws,
    kills: killed.length,
    calls: reports.reduce((sum, { calls }) => sum + calls, 0),
    lost: reports.reduce((sum, { lost }) => sum + lost, 0),
    counted,
    longestCallMs: Math.round(Math.max(...reports.map(({ longestMs }) => longestMs))),
    takeoverMs: { p50: share(0.5), p95: share(0.95), max: share(1) },
  };
}
