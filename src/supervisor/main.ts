// The supervisor's program: takes its home, or reports the holder, then serves until a signal or `quit`.
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { hasCode, messageOf } from "../base/errors.ts";
import { findHome, homeAt } from "../base/home.ts";
import { nodeProgram } from "../base/node.ts";
import { daemonProgram } from "../base/runtime.ts";
import { takeHome } from "../base/take-home.ts";
import { setCloseOnExec } from "../posix/descriptors.ts";
import { SUPERVISOR_EXIT } from "./exit-codes.ts";
import { lockSupervisor } from "./home-lock.ts";

const RUNNING = "NEWEL_E_SUPERVISOR_RUNNING";

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      home: { type: "string" },
      autostart: { type: "boolean", default: false },
      // Wait until no other supervisor serves the home, instead of failing: for systemd.
      wait: { type: "boolean", default: false },
      // The home's lock, taken by the program that this process ran before.
      "lock-fd": { type: "string" },
      // Only report whether this build could continue from the state that the kernel keeps.
      rehearse: { type: "boolean", default: false },
    },
  });
  const { autostart } = values;
  try {
    const home = values.home === undefined ? findHome() : homeAt(values.home);
    if (values.rehearse) {
      const { rehearse } = await import("./rehearsal.ts");
      await rehearse(home);
      return 0;
    }
    const inherited = values["lock-fd"];
    const lockFd =
      inherited === undefined
        ? await takeHome(() => lockSupervisor(home), RUNNING, values.wait)
        : Number(inherited);
    // Started by the link `current`: the copy that is used has to be named, or it could be removed.
    if (process.argv[1] !== fileURLToPath(import.meta.url)) {
      const { executeSupervisor } = await import("./replacement.ts");
      const program = await daemonProgram(home, "supervisor/main");
      executeSupervisor({ node: nodeProgram(), program }, home, lockFd);
    }
    setCloseOnExec(lockFd, true);
    // The rest is loaded only now: when many are started at once, all but one end before this line.
    const { runSupervisor } = await import("./daemon.ts");
    if (inherited !== undefined) {
      const { reapInherited } = await import("./replacement.ts");
      reapInherited();
    }
    return await runSupervisor({ home, lockFd, autostart });
  } catch (error) {
    const running = hasCode(error, RUNNING);
    // Started by a client that needs any supervisor: a running one serves it as well.
    if (!(running && autostart)) process.stderr.write(`newel supervisor: ${messageOf(error)}\n`);
    return running ? SUPERVISOR_EXIT.running : SUPERVISOR_EXIT.failed;
  }
}

void main().then((code) => {
  process.exitCode = code;
});
