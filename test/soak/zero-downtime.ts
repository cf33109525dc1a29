// Soak: apps under load through reloads, restarts, three rounds of scaling, the death of supervisor and
// kernel, their upgrades, and a reload to broken code, with the built newel.
// `node test/soak/zero-downtime.ts [--rounds 20] [--hogs 8] [--seed N] [APP...]`: without names all apps, with
// CPU hogs that take the processors from them and a load that the rest can answer. The seed decides on the
// order of the verbs. A line for each app and verb; exit code 1 on failure.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import type { Scope } from "../helpers/resources.ts";
import { boundedRate } from "../load/capacity.ts";
import { startHogs } from "../load/hogs.ts";
import { NewelWeb } from "../load/newel-web.ts";
import { type Phase, runScenario } from "../load/scenario.ts";
import { withScope } from "../load/scope.ts";
import { missingFor, Site, SITES } from "../load/web-tool.ts";
import { Random } from "../simulation/random.ts";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
/** For a machine that does nothing else. */
const SLOWEST_MS = 3_000;
const SCALES = [1, 4, 2, 1, 4, 2, 1, 4, 2];
/** The parts that must leave the processes of the app alone. */
const CALM = ["daemon killed", "kernel killed", "kernel upgrade", "newel upgrade"];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "20" },
    hogs: { type: "string", default: "0" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const rounds = Number(values.rounds);
const hogs = Number(values.hogs);
const seed = Number(values.seed);

/** The failures of a part of the scenario. */
function complaintsOf({ name, ...phase }: Phase): string[] {
  const broken = name === "reload to broken code";
  const stays = broken || CALM.some((calm) => name.startsWith(calm));
  return [
    ...Object.entries(phase.errors).map(([error, count]) => `${count} × ${error}`),
    ...(phase.slowestMs < SLOWEST_MS || hogs > 0 ? [] : [`a request took ${phase.slowestMs} ms`]),
    ...(phase.exitCodes.every((code) => code === (broken ? 1 : 0))
      ? []
      : [`exit codes ${phase.exitCodes.join(", ")}: ${phase.complaints.join(" ")}`]),
    ...(stays && !phase.samePids ? ["its processes were replaced"] : []),
    ...(phase.serves ? [] : ["it does not serve any more"]),
  ];
}

async function run(scope: Scope, named: string): Promise<number> {
  const app = SITES.find((each) => each === named);
  if (app === undefined) throw new Error(`no app ${named}: it is one of ${SITES.join(", ")}`);
  const missing = missingFor(app);
  if (missing !== undefined) {
    console.log(`${app}: skipped: ${missing}`);
    return 0;
  }
  const tool = new NewelWeb(scope, await Site.open(scope, app), { cli: CLI, stable: "100ms" });
  startHogs(scope, hogs);
  const ratePerSecond = hogs > 0 ? await busyRate(scope, tool) : undefined;
  const few = Math.ceil(rounds / 4);
  const plan = {
    reloads: rounds,
    restarts: rounds,
    scales: SCALES.slice(0, 3 * Math.min(3, few)),
    killDaemon: true,
    breakCode: true,
    random: new Random(seed),
    ...(ratePerSecond !== undefined && { ratePerSecond }),
    more: [
      { name: `kernel killed × ${few}`, action: () => tool.killKernel(), times: few },
      { name: `kernel upgrade × ${few}`, action: () => tool.upgradeKernel(), times: few },
      { name: `newel upgrade × ${few}`, action: () => tool.upgrade(), times: few },
    ],
  };
  let bad = 0;
  for await (const phase of runScenario(scope, tool, plan)) {
    const complaints = complaintsOf(phase);
    if (complaints.length > 0) bad += 1;
    const { name, requests, failed, slowestMs, stalledMs } = phase;
    const figures = `${requests} requests, ${failed} failed, slowest ${slowestMs} ms (client stalled ${stalledMs} ms)`;
    console.log(
      [`${app}: ${name}: ${figures}`, ...complaints.map((what) => `FAILED: ${what}`)].join("; "),
    );
  }
  await tool.end();
  return bad;
}

/** Requests of each kind: a fraction of the app's capacity with its share of the processors. */
async function busyRate(scope: Scope, tool: NewelWeb): Promise<number> {
  const up = await tool.up();
  if (up.exitCode !== 0) throw new Error(`it does not come up: ${up.stderr}`);
  const { capacity, rate } = await boundedRate(scope, tool.site);
  const answers = `${capacity.toFixed(1)} answers a second on new connections`;
  console.log(`${tool.site.app}: ${answers}; load: ${rate} of each kind; seed ${seed}`);
  return rate;
}

if (!existsSync(CLI)) throw new Error("dist/ is missing: npm run build");
let bad = 0;
for (const app of positionals.length > 0 ? positionals : SITES) {
  try {
    bad += await withScope((scope) => run(scope, app));
  } catch (error) {
    bad += 1;
    console.log(`${app}: FAILED: ${error instanceof Error ? error.message : String(error)}`);
  }
}
console.log(bad === 0 ? "no request failed" : `${bad} parts failed`);
process.exitCode = bad === 0 ? 0 : 1;
