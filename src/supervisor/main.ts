// The supervisor's program: takes its home, or says who has it, then serves until it is told to end.
import { parseArgs } from "node:util";

import { hasCode, messageOf } from "../base/errors.ts";
import { findHome, homeAt } from "../base/home.ts";
import { SUPERVISOR_EXIT } from "./exit-codes.ts";
import { lockSupervisor } from "./home-lock.ts";

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { home: { type: "string" }, autostart: { type: "boolean", default: false } },
  });
  try {
    const home = values.home === undefined ? findHome() : homeAt(values.home);
    lockSupervisor(home);
    // Only now the rest is loaded: of many that are started at once, all but one end here.
    const { runSupervisor } = await import("./daemon.ts");
    return await runSupervisor({ home, autostart: values.autostart });
  } catch (error) {
    const running = hasCode(error, "NEWEL_E_SUPERVISOR_RUNNING");
    // Started by a client that needs some supervisor: one that is there already is as good.
    if (!(running && values.autostart))
      process.stderr.write(`newel supervisor: ${messageOf(error)}\n`);
    return running ? SUPERVISOR_EXIT.running : SUPERVISOR_EXIT.failed;
  }
}

process.exitCode = await main();
