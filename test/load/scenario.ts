/**
 * What an operator does to a web app in a bad week, under constant load: the same for newel and for
 * what it is compared with, for tests, the soak and the benches.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { eventually, type Scope } from "../helpers/resources.ts";
import type { Kind } from "./client.ts";
import type { CommandResult } from "./command.ts";
import { startSiteLoad } from "./site-load.ts";
import { REPLICAS, type WebTool } from "./web-tool.ts";

/** Of each kind. A little above the 200 that are promised, as a busy machine falls behind. */
const RATE_PER_SECOND = 230;
const PHASE_LIMIT_SECONDS = 600;
/** Load before the first command of a phase, and after the last. */
const AROUND_MS = 500;
/** How long nobody supervises. */
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
  /** What only this tool can do, each under a load of its own, before the code is broken. */
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
  /** Failures by what was wrong. */
  readonly errors: Readonly<Record<string, number>>;
  readonly exitCodes: readonly (number | null)[];
  /** Of the commands, median. */
  readonly commandMs: number;
  /** What the commands that did not end with 0 said. */
  readonly complaints: readonly string[];
  /** Whether the same processes served before and after. */
  readonly samePids: boolean;
  /** Whether the app answers when all is over. */
  readonly serves: boolean;
}

/** Brings the app up and runs the parts of a plan on it, each under a load of its own. */
export async function* runScenario(
  scope: Scope,
  tool: WebTool,
  plan: ScenarioPlan,
): AsyncGenerator<Phase, void> {
  const up = await tool.up();
  if (up.exitCode !== 0) throw new Error(`${tool.name} does not come up: ${up.stderr}`);
  const times = (count: number, action: () => Promise<CommandResult>) =>
    Array.from({ length: count }, () => action);
  const under = (name: string, actions: readonly (() => Promise<CommandResult>)[]) =>
    underLoad(scope, tool, name, actions, plan.ratePerSecond);
  if (plan.reloads > 0)
    yield await under(`reload × ${plan.reloads}`, [...times(plan.reloads, () => tool.reload())]);
  if (plan.restarts > 0)
    yield await under(`restart × ${plan.restarts}`, [
      ...times(plan.restarts, () => tool.restart()),
    ]);
  if (plan.scales.length > 0)
    yield await under(
      `scale ${[REPLICAS, ...plan.scales].join("→")}`,
      plan.scales.map((replicas) => () => tool.scale(replicas)),
    );
  if (plan.killDaemon)
    yield await under("daemon killed", [
      async () => {
        await tool.killDaemon();
        await sleep(UNSUPERVISED_MS);
        return tool.recover();
      },
    ]);
  for (const { name, action, times: count } of plan.more ?? [])
    yield await under(name, times(count, action));
  if (plan.breakCode) {
    tool.site.break();
    yield await under("reload to broken code", [() => tool.reload()]);
    tool.site.mend();
  }
}

async function underLoad(
  scope: Scope,
  tool: WebTool,
  name: string,
  actions: readonly (() => Promise<CommandResult>)[],
  ratePerSecond = RATE_PER_SECOND,
): Promise<Phase> {
  await eventually(() => tool.site.isServing(), "the app serves", 20_000);
  const before = await tool.pids();
  const load = startSiteLoad(scope, tool.site, {
    limitSeconds: PHASE_LIMIT_SECONDS,
    ratePerSecond,
  });
  await sleep(AROUND_MS);
  const results: CommandResult[] = [];
  for (const action of actions) results.push(await action());
  await sleep(AROUND_MS);
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

/** The middle one; of an even number, the upper of the two. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
