import { findHome } from "../../base/home.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { takeHome, WAIT_OPTION } from "../take-home.ts";

export const supervisor: Command = {
  name: "supervisor",
  summary: "Run the supervisor in the foreground",
  usage: "[--wait]",
  options: WAIT_OPTION,
  examples: [{ line: "newel supervisor", does: "what systemd or a container may start" }],
  notes: ["Nobody has to start it: `newel up` and the other verbs do."],
  async run(args, { environment }) {
    const { lockSupervisor } = await import("../../supervisor/home-lock.ts");
    const home = findHome(environment);
    const lock = () => lockSupervisor(home);
    await takeHome(lock, "NEWEL_E_SUPERVISOR_RUNNING", args.has("wait"));
    const { runSupervisor } = await import("../../supervisor/daemon.ts");
    return (await runSupervisor({ home })) === 0 ? EXIT.done : EXIT.failed;
  },
};
