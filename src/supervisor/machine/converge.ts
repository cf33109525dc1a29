import type { ResolvedService } from "../config/resolved.ts";
import type { Wanted } from "./operation.ts";
import { excess } from "./replica-state.ts";
import type { ReplicaTable } from "./replica-table.ts";
import { completedNumbers, type RestartTracker } from "./restart-tracker.ts";

/** A service without a command under way. */
export interface Converging {
  readonly spec: ResolvedService;
  readonly wanted: Wanted;
  readonly tracker: RestartTracker;
  readonly table: ReplicaTable;
  readonly nowMs: number;
}

/**
 * Brings a service to its desired state, between commands: missing replicas are started when their time
 * has come, and replicas that are too many are stopped. Those of a service with a schedule wait for a command.
 */
export function converge(service: Converging): void {
  const { wanted, spec, tracker, table, nowMs } = service;
  if (!wanted.up) {
    for (const [number, missing] of tracker.entries())
      if (missing.kind === "completed") table.sweep(spec, number, missing.generation, "excess");
    tracker.clearAll();
    for (const replica of table.all)
      if (replica.phase !== "stopping") table.stop(replica, "excess");
    return;
  }
  const { replicas } = wanted;
  const present = table.all.filter(({ phase }) => phase !== "stopping");
  for (const replica of excess(present, replicas, spec.hash)) table.stop(replica, "excess");
  dropMissing(service);
  if (tracker.size > 0)
    for (const number of tracker.takeDue(nowMs, spec.restart, table.numbers, startRoom(service)))
      table.launch(spec, number, false);
  fillMissing(service);
  for (const replica of table.all)
    if (replica.held && replica.ready && replica.acceptByMs === undefined) table.accept(replica);
}

/** When the next missing replica is to be started; `undefined` if this depends on an event. */
export function nextStartMs(service: Converging): number | undefined {
  const { tracker, table } = service;
  if (tracker.size === 0 || startRoom(service) <= 0) return undefined;
  return tracker.nextDueMs(table.numbers);
}

/**
 * How many replicas may be started now. Where two may not run at once, a replica that is being stopped
 * takes the room of the next one, and so do the processes that a completed one may have left.
 */
function startRoom({ wanted, spec, tracker, table }: Converging): number {
  if (spec.reload.order === "start-first") return Infinity;
  return wanted.replicas - table.all.length - completedNumbers(tracker).length;
}

/** Starts replicas that no number stands for; those of a schedule wait for its times. */
function fillMissing(service: Converging): void {
  const { wanted, spec, tracker, table } = service;
  for (let number = 1; count(service) < wanted.replicas; number += 1) {
    if (isTaken(service, number)) continue;
    if (spec.schedule !== undefined) tracker.set(number, { kind: "scheduled" });
    else if (startRoom(service) > 0) table.launch(spec, number, false);
    else return;
  }
}

/** Drops missing numbers for which there is no room any more, the highest first. */
function dropMissing(service: Converging): void {
  const { wanted, spec, tracker, table } = service;
  if (tracker.size === 0) return;
  const numbers = tracker.entries().map(([number]) => number);
  for (const number of numbers.sort((a, b) => b - a)) {
    if (count(service) <= wanted.replicas) return;
    const missing = tracker.get(number);
    if (missing?.kind === "completed") table.sweep(spec, number, missing.generation, "excess");
    tracker.clear(number);
  }
}

/** How many numbers have a process tree that is to stay, or are to be started again. */
function count({ tracker, table }: Converging): number {
  const numbers = new Set(tracker.entries().map(([number]) => number));
  for (const { number, stopReason } of table.all) if (stopReason !== "excess") numbers.add(number);
  return numbers.size;
}

function isTaken({ tracker, table }: Converging, number: number): boolean {
  return tracker.has(number) || table.numbers.has(number);
}
