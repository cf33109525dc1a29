/**
 * The same bad week for newel and for pm2: reloads, restarts, scaling, the death of the daemon and
 * a reload to broken code, on unmodified apps under constant load, side by side in one run.
 *
 * `node bench/reload.ts [--rounds 5] [--apps http,fastify]`
 */
import { parseArgs } from "node:util";

import { NewelWeb } from "../test/load/newel-web.ts";
import { type Phase, runScenario } from "../test/load/scenario.ts";
import { type AppName, APPS, Site, type WebTool } from "../test/load/web-tool.ts";
import { distProgram, prepareDist, preparePeers } from "./prepare.ts";
import { describeMachine, machine, versionOf, writeResult } from "./tools/machine.ts";
import { Pm2Web } from "./tools/pm2-web.ts";
import { type Ends, withScope } from "../test/load/scope.ts";
import { formatTable } from "./tools/table.ts";

const TOOLS: Readonly<Record<string, (scope: Ends, site: Site) => WebTool>> = {
  newel: (scope, site) => new NewelWeb(scope, site, { cli: distProgram("cli/main") }),
  pm2: (scope, site) => new Pm2Web(scope, site),
};

interface Run {
  readonly app: AppName;
  readonly tool: string;
  readonly phases: readonly Phase[];
}

async function runOne(
  scope: Ends,
  app: AppName,
  [tool, make]: readonly [string, (scope: Ends, site: Site) => WebTool],
  rounds: number,
): Promise<Run> {
  const web = make(scope, await Site.open(scope, app));
  const plan = { reloads: rounds, restarts: rounds, scales: [1, 4, 2] };
  const phases: Phase[] = [];
  for await (const phase of runScenario(scope, web, { ...plan, killDaemon: true, breakCode: true }))
    phases.push(phase);
  await web.end();
  return { app, tool, phases };
}

/** A row for each part of the scenario, with both tools. */
function tableOf(app: AppName, runs: readonly Run[]): string[] {
  const tools = [app, ...runs.flatMap(({ tool }) => [tool, "", "", "", ""])];
  const heads = ["requests", "failed", "slowest ms", "exit code", "command ms"];
  const names = runs[0]?.phases.map(({ name }) => name) ?? [];
  const rows = names.map((name, index) => [
    name,
    ...runs.flatMap(({ phases }) => cellsOf(phases[index])),
  ]);
  return formatTable([tools, ["", ...runs.flatMap(() => heads)], ...rows]);
}

function cellsOf(phase: Phase | undefined): string[] {
  if (phase === undefined) return ["", "", "", "", ""];
  const { requests, failed, slowestMs, exitCodes, commandMs } = phase;
  const codes = [...new Set(exitCodes)].map((code) => code ?? "none").join(", ");
  return [String(requests), String(failed), String(slowestMs), codes, String(commandMs)];
}

/** The failures, and the processes after the death of the daemon. */
function remarksOf({ tool, phases }: Run): string[] {
  return phases.flatMap(({ name, failed, errors, samePids, serves }) => {
    const kinds = Object.entries(errors).map(([error, count]) => `${count} × ${error}`);
    // The load client keeps that number in full.
    if (failed > 1_000) kinds.unshift("of the first 1,000");
    const restarted = name === "daemon killed" && !samePids ? ["not the same processes"] : [];
    const down = serves ? [] : ["down afterwards"];
    const remarks = [...restarted, ...down, ...kinds];
    return remarks.length === 0 ? [] : [`  ${tool}, ${name}: ${remarks.join(", ")}`];
  });
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    apps: { type: "string", default: APPS.join(",") },
  },
});
const rounds = Number(values.rounds);
const wanted = values.apps.split(",");
const apps = APPS.filter((app) => wanted.includes(app));
if (!Number.isInteger(rounds) || rounds < 1 || apps.length !== wanted.length) {
  console.error(`--rounds takes a number from 1, --apps some of ${APPS.join(",")}.`);
  process.exit(2);
}

prepareDist();
preparePeers();
const facts = machine();
const versions = { newel: versionOf(), pm2: versionOf("pm2") };
console.log(`newel ${versions.newel} and pm2 ${versions.pm2}, each with its defaults, 2 replicas,`);
console.log("8 keep-alive and 8 new-connection clients with 230 requests a second of each kind.");
console.log(`${describeMachine(facts)}\n`);

const runs = await withScope(async (scope) => {
  const all: Run[] = [];
  for (const app of apps) {
    const here: Run[] = [];
    for (const tool of Object.entries(TOOLS)) here.push(await runOne(scope, app, tool, rounds));
    for (const line of [...tableOf(app, here), ...here.flatMap(remarksOf), ""]) console.log(line);
    all.push(...here);
  }
  return all;
});
console.log(writeResult("reload", { versions, machine: facts, rounds, runs }));
const lost = runs
  .filter(({ tool }) => tool === "newel")
  .flatMap(({ phases }) => phases)
  .reduce((sum, { failed }) => sum + failed, 0);
if (lost > 0) console.error(`newel lost ${lost} requests.`);
process.exit(lost === 0 ? 0 : 1);
