// Soak: one app under load through 20 reloads, 20 restarts, three rounds of scaling, the death of
// its supervisor and a reload to broken code, with the built newel.
// `node test/soak/zero-downtime.ts [app] [rounds]`; one line at the end, exit code 1 on failure.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

import type { Scope } from "../helpers/resources.ts";
import { NewelWeb } from "../load/newel-web.ts";
import { type Phase, runScenario } from "../load/scenario.ts";
import { withScope } from "../load/scope.ts";
import { APPS, Site } from "../load/web-tool.ts";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const SLOWEST_MS = 3_000;

/** What is wrong with a part of the scenario. */
function complaintsOf({ name, ...phase }: Phase): string[] {
  const broken = name === "reload to broken code";
  const stays = broken || name === "daemon killed";
  return [
    ...Object.entries(phase.errors).map(([error, count]) => `${count} × ${error}`),
    ...(phase.slowestMs < SLOWEST_MS ? [] : [`a request took ${phase.slowestMs} ms`]),
    ...(phase.exitCodes.every((code) => code === (broken ? 1 : 0))
      ? []
      : [`exit codes ${phase.exitCodes.join(", ")}: ${phase.complaints.join(" ")}`]),
    ...(stays && !phase.samePids ? ["its processes were replaced"] : []),
    ...(phase.serves ? [] : ["it does not serve any more"]),
  ].map((what) => `${name}: ${what}`);
}

async function run(scope: Scope): Promise<string> {
  const [named = "http", rounds = "20"] = process.argv.slice(2);
  const app = APPS.find((each) => each === named);
  if (app === undefined) throw new Error(`no app ${named}: it is one of ${APPS.join(", ")}`);
  if (!existsSync(CLI)) throw new Error("dist/ is missing: npm run build");
  const tool = new NewelWeb(scope, await Site.open(scope, app), { cli: CLI, stable: "100ms" });
  const plan = {
    reloads: Number(rounds),
    restarts: Number(rounds),
    scales: [1, 4, 2, 1, 4, 2, 1, 4, 2],
    killDaemon: true,
    breakCode: true,
  };
  const phases = await Array.fromAsync(runScenario(scope, tool, plan));
  const complaints = phases.flatMap(complaintsOf);
  if (complaints.length > 0) throw new Error(complaints.join("; "));
  await tool.end();
  const requests = phases.reduce((sum, phase) => sum + phase.requests, 0);
  const slowest = Math.max(...phases.map((phase) => phase.slowestMs));
  return `${app}: ${requests} requests, none failed, the slowest took ${slowest} ms`;
}

try {
  console.log(await withScope(run));
} catch (error) {
  console.log(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
