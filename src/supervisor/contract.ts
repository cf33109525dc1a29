import { type Contract, defineContract } from "../wire/contract.ts";
import type { SupervisorApi } from "./api.ts";

/** The methods of a supervisor over its socket. */
export const SUPERVISOR_CONTRACT: Contract<SupervisorApi> = defineContract<SupervisorApi>()({
  name: "newel.supervisor",
  version: 1,
  calls: [
    "hello",
    "apps",
    "pending",
    "plan",
    "list",
    "show",
    "signal",
    "metrics",
    "quit",
    "upgrade",
  ],
  streams: ["up", "down", "start", "stop", "restart", "reload", "scale", "events"],
});
