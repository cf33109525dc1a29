/**
 * The operations on a web app in a bad week, under constant load: the same for newel and for the
 * compared tools, for tests, the soak and the benches.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { eventually, type Scope } from "../helpers/resources.ts";
import type { Random } from "../simulation/random.ts";
import type { Kind, Load } from "./client.ts";
import type { CommandResult } from "./command.ts";
import { startSiteLoad } from "./site-load.ts";
import { REPLICAS, type WebTool } from "./web-tool.ts";

/** Of each kind. A little above the 200 that are promised, as a busy machine falls behind. */
const RATE_PER_SECOND = 230;
const PHASE_LIMIT_SECONDS = 600;
/** Load before the first command of a phase, and after the last: time, and requests that have ended. */
const AROUND_MS = 500;
const AROUND_REQUESTS = 10;
const AROUND_LIMIT_MS = 60_000;
/** The time without a supervisor. */
const UNSUPERVISED_MS = 1_000;

export interface ScenarioPlan {
  readonly reloads: number;
  readonly restarts: number;
  /** Numbers of replicas, one after the other; the last is the number there is otherwise. */
  readonly scales: readonly number[];
  readonly killDaemon: boolean;
  /** Whether to reload to code that throws at boot. */
  readonly breakCode: boolean;
  /** Requests of each kind. Default {@link RATE_PER_SECOND}. */
  readonly ratePerSecond?: number;
  /** Chooses the order of the parts; that with broken code is always the last. Default: as above. */
  readonly random?: Random;
  /** Parts that only this tool supports, each under a separate load. */
  readonly more?: readonly {
    readonly name: string;
    readonly action: () => Promise<CommandResult>;
    readonly times: number;
  }[];
}

/** How one part of the scenario went. */
export interface Phase {
  readonly name: string;
  readonly requests: number;
  readonly failed: number;
  readonly slowestMs: number;
  readonly perSecond: Readonly<Record<Kind, number>>;
  /** The longest stall of the load client. */
  readonly stalledMs: number;
  /** Failures by their kind. */
  readonly errors: Readonly<Record<string, number>>;
  readonly exitCodes: readonly (number | null)[];
  /** Of the commands, median. */
  readonly commandMs: number;
  /** The output of the commands that did not end with 0. */
  readonly complaints: readonly string[];
  /** Whether the same processes served before and after. */
  readonly samePids: boolean;
  /** Whether the app answers when all is over. */
  readonly serves: boolean;
}

/** Brings the app up and runs the parts of a plan on it, each under a separate load. */
export async function* runScenario(
  scope: Scope,
  tool: WebTool,
  plan: ScenarioPlan,
): AsyncGenerator<Phase, void> {
  const up = await tool.up();
  if (up.exitCode !== 0) throw new Error(`${tool.name} does not come up: ${up.stderr}`);
  const parts = partsOf(tool, plan);
  for (const { name, actions } of plan.random?.shuffle(parts) ?? parts)
    yield await underLoad(scope, tool, name, actions, plan.ratePerSecond);
  if (plan.breakCode) {
    tool.site.break();
    const reload = [() => tool.reload()];
    yield await underLoad(scope, tool, "reload to broken code", reload, plan.ratePerSecond);
    tool.site.restore();
  }
}

interface Part {
  readonly name: string;
  readonly actions: readonly (() => Promise<CommandResult>)[];
}

function partsOf(tool: WebTool, plan: ScenarioPlan): readonly Part[] {
  const { reloads, restarts, scales, killDaemon, more = [] } = plan;
  const recover = async (): Promise<CommandResult> => {
    await tool.killDaemon();
    await sleep(UNSUPERVISED_MS);
    return tool.recover();
  };
  const parts = [
    partOf(`reload × ${reloads}`, reloads, () => tool.reload()),
    partOf(`restart × ${restarts}`, restarts, () => tool.restart()),
    {
      name: `scale ${[REPLICAS, ...scales].join("→")}`,
      actions: scales.map((replicas) => () => tool.scale(replicas)),
    },
    partOf("daemon killed", killDaemon ? 1 : 0, recover),
    ...more.map(({ name, action, times }) => partOf(name, times, action)),
  ];
  return parts.filter(({ actions }) => actions.length > 0);
}

function partOf(name: string, times: number, action: () => Promise<CommandResult>): Part {
  return { name, actions: Array.from({ length: times }, () => action) };
}

async function underLoad(
  scope: Scope,
  tool: WebTool,
  name: string,
  actions: readonly (() => Promise<CommandResult>)[],
  ratePerSecond = RATE_PER_SECOND,
): Promise<Phase> {
  await eventually(() => tool.site.isServing(), "the app serves", AROUND_LIMIT_MS);
  const before = await tool.pids();
  const load = startSiteLoad(scope, tool.site, {
    limitSeconds: PHASE_LIMIT_SECONDS,
    ratePerSecond,
  });
  await loadAround(load);
  const results: CommandResult[] = [];
  for (const action of actions) results.push(await action());
  await loadAround(load);
  const report = await load.stop();
  const after = await tool.pids();
  const serves = await tool.site.isServing();
  const errors: Record<string, number> = {};
  for (const { error } of report.failed) errors[error] = (errors[error] ?? 0) + 1;
  return {
    name,
    requests: report.requests,
    failed: report.failedCount,
    slowestMs: report.slowestMs,
    stalledMs: report.stalledMs,
    perSecond: {
      "keep-alive": report.byKind["keep-alive"].perSecond,
      "new-connection": report.byKind["new-connection"].perSecond,
    },
    errors,
    exitCodes: results.map(({ exitCode }) => exitCode),
    commandMs: Math.round(median(results.map(({ ms }) => ms))),
    complaints: results.flatMap(({ exitCode, stdout, stderr }) =>
      exitCode === 0 ? [] : [(stderr + stdout).trim()],
    ),
    serves,
    samePids: new Set(before).symmetricDifference(new Set(after)).size === 0,
  };
}

async function loadAround(load: Load): Promise<void> {
  const enough = load.ended + AROUND_REQUESTS;
  await sleep(AROUND_MS);
  await eventually(() => load.ended >= enough, `${AROUND_REQUESTS} requests`, AROUND_LIMIT_MS);
}

/** The middle one; of an even number, the upper of the two. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
