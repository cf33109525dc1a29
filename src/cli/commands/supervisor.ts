import { findHome } from "../../base/home.ts";
import { takeHome } from "../../base/take-home.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { WAIT_OPTION } from "../wait-option.ts";

export const supervisor: Command = {
  name: "supervisor",
  summary: "Run the supervisor in the foreground",
  usage: "[--wait]",
  options: WAIT_OPTION,
  examples: [{ line: "newel supervisor", does: "as the program of a systemd unit or a container" }],
  notes: ["`newel up` and the other verbs start it when they need it."],
  async run(args, { environment }) {
    const { lockSupervisor } = await import("../../supervisor/home-lock.ts");
    const home = findHome(environment);
    const lock = () => lockSupervisor(home);
    const lockFd = await takeHome(lock, "NEWEL_E_SUPERVISOR_RUNNING", args.has("wait"));
    // From the home's copy: this installation may be removed while the supervisor runs.
    const { daemonProgram } = await import("../../base/runtime.ts");
    const program = await daemonProgram(home, "supervisor/main");
    const { executeSupervisor } = await import("../../supervisor/replacement.ts");
    executeSupervisor({ node: process.execPath, program }, home, lockFd);
    return EXIT.failed;
  },
};
