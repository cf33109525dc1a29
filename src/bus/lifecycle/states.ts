import type { Transitions } from "../../base/machine.ts";
import { type Edges, path } from "./graph.ts";

/**
 * The states of a bus. `failed` means that starting or stopping failed: only stopping and exiting
 * are possible from there. `exited` is final.
 */
export type BusState =
  | "idle"
  | "starting"
  | "started"
  | "stopping"
  | "exiting"
  | "exited"
  | "failed";

/**
 * The events of a bus: a verb that begins (`start`), the end of its listeners (`started`), a
 * failure.
 */
export type BusEvent = "start" | "started" | "stop" | "stopped" | "exit" | "exited" | "fail";

/**
 * Every legal transition. `stop` is legal while idle because a shutdown always runs the stop
 * listeners, and while starting because an exit may be requested at any time.
 */
export const TRANSITIONS: Transitions<BusState, BusEvent> = {
  idle: { start: "starting", stop: "stopping", exit: "exiting" },
  starting: { started: "started", stop: "stopping", fail: "failed" },
  started: { stop: "stopping" },
  stopping: { stopped: "idle", fail: "failed" },
  failed: { stop: "stopping", exit: "exiting" },
  exiting: { exited: "exited" },
  exited: {},
};

/** Every state, in the order of the lifecycle. */
export const BUS_STATES: readonly BusState[] = [
  "idle",
  "starting",
  "started",
  "stopping",
  "exiting",
  "exited",
  "failed",
];

/**
 * The name in the log for the state that an event leads to: after `stop` a bus is idle, but the log
 * says "stopped".
 */
export const STATE_WORDS: Readonly<Record<BusEvent, string>> = {
  start: "starting",
  started: "started",
  stop: "stopping",
  stopped: "stopped",
  exit: "exiting",
  exited: "exited",
  fail: "failed",
};

/** The same table as plain edges. */
const EDGES: Edges = Object.fromEntries(
  Object.entries(TRANSITIONS).map(([state, moves]) => [state, Object.values(moves)]),
);

/** Whether a bus in one state can still reach another. */
export function canBecome(from: BusState, to: BusState): boolean {
  return path(EDGES, from, to) !== undefined;
}
