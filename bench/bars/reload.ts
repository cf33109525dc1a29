import { NewelWeb } from "../../test/load/newel-web.ts";
import { runScenario } from "../../test/load/scenario.ts";
import type { Ends } from "../../test/load/scope.ts";
import { APPS, Site } from "../../test/load/web-tool.ts";
import { distProgram } from "../prepare.ts";
import { type Bar, barOf } from "./bar.ts";

const PLAN = { reloads: 2, restarts: 1, scales: [1, 4, 2], killDaemon: true, breakCode: true };

/** A short run of the scenario on each app; bench:reload and the soak have the long ones. */
export async function measureReload(scope: Ends): Promise<Bar[]> {
  const bars: Bar[] = [];
  for (const app of APPS) {
    const tool = new NewelWeb(scope, await Site.open(scope, app), {
      cli: distProgram("cli/main"),
      stable: "100ms",
    });
    let [requests, failed, slowestMs] = [0, 0, 0];
    for await (const phase of runScenario(scope, tool, PLAN)) {
      requests += phase.requests;
      failed += phase.failed;
      slowestMs = Math.max(slowestMs, phase.slowestMs);
    }
    await tool.end();
    const what = `${app}: reload, restart, scale, supervisor killed, under load, failed requests`;
    bars.push(barOf(what, failed, { atMost: 0 }, { requests, "slowest ms": slowestMs }));
  }
  return bars;
}
