import { findHome } from "../../base/home.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";

export const supervisor: Command = {
  name: "supervisor",
  summary: "Run the supervisor in the foreground",
  usage: "",
  options: {},
  examples: [{ line: "newel supervisor", does: "what systemd or a container may start" }],
  notes: ["Nobody has to start it: `newel up` and the other verbs do."],
  async run(_args, { environment }) {
    const { lockSupervisor } = await import("../../supervisor/home-lock.ts");
    const home = findHome(environment);
    lockSupervisor(home);
    const { runSupervisor } = await import("../../supervisor/daemon.ts");
    return (await runSupervisor({ home })) === 0 ? EXIT.done : EXIT.failed;
  },
};
