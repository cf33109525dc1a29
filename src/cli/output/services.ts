import { formatDuration, formatSize } from "../../base/units.ts";
import type { ProcessView, ServiceView } from "../../supervisor/api.ts";
import type { Output, Style } from "./output.ts";
import { type Column, formatTable } from "./table.ts";

/** The colour of each state. */
export const STATE_STYLES: Readonly<Record<ProcessView["state"], Style>> = {
  stopped: "dim",
  starting: "cyan",
  running: "green",
  stopping: "cyan",
  backoff: "yellow",
  failed: "red",
  completed: "dim",
  left: "yellow",
};

/** A process with the service it belongs to. */
interface Copy {
  readonly service: ServiceView;
  readonly process: ProcessView;
}

/**
 * Services as a table, one line each; with several apps, grouped under their names.
 *
 * @param nowMs - milliseconds since the epoch
 */
export function formatServices(
  services: readonly ServiceView[],
  output: Output,
  nowMs: number,
): string[] {
  return grouped(services, serviceColumns(services, output, nowMs), output, ({ app }) => app);
}

/** The same, one line per process. */
export function formatProcesses(
  services: readonly ServiceView[],
  output: Output,
  nowMs: number,
): string[] {
  const copies = services.flatMap((service) =>
    service.processes.map((process): Copy => ({ service, process })),
  );
  return grouped(copies, processColumns(output, nowMs), output, ({ service }) => service.app);
}

/** One table over all groups, so that its columns stand under each other, cut into groups. */
function grouped<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  output: Output,
  appOf: (row: Row) => string,
): string[] {
  const apps = [...new Set(rows.map(appOf))];
  const sorted = apps.flatMap((app) => rows.filter((row) => appOf(row) === app));
  const [titles = "", ...lines] = formatTable(columns, sorted, output.columns);
  const head = output.style("bold", titles);
  if (apps.length < 2) return [head, ...lines];
  const groups = apps.flatMap((app) => [
    "",
    output.style("bold", app),
    ...lines.filter((_, index) => sorted[index] !== undefined && appOf(sorted[index]) === app),
  ]);
  return [head, ...groups];
}

function serviceColumns(
  services: readonly ServiceView[],
  output: Output,
  nowMs: number,
): Column<ServiceView>[] {
  const isScheduled = services.some(({ scheduled }) => scheduled !== undefined);
  return [
    { title: "SERVICE", cut: true, cell: ({ name }) => name },
    { title: "STATE", cell: ({ state }) => output.style(STATE_STYLES[state], state) },
    { title: "READY", cell: (service) => readiness(output, service) },
    ...(isScheduled ? [{ title: "NEXT", drop: 2, cell: next(nowMs) }] : []),
    { title: "UP", drop: 2, cell: ({ state, sinceMs }) => uptime(state, sinceMs, nowMs) },
    { title: "RESTARTS", drop: 3, cell: (service) => restarts(service, nowMs) },
    { title: "CPU", align: "right", drop: 5, cell: ({ processes }) => cpu(processes) },
    { title: "MEM", align: "right", drop: 4, cell: ({ processes }) => memory(processes) },
    { title: "LISTEN", drop: 1, cell: ({ listen }) => listen.join(" ") },
  ];
}

function processColumns(output: Output, nowMs: number): Column<Copy>[] {
  return [
    { title: "PROCESS", cut: true, cell: ({ process }) => process.name },
    { title: "STATE", cell: ({ process: { state } }) => output.style(STATE_STYLES[state], state) },
    { title: "READY", cell: ({ process }) => (process.ready ? "yes" : "no") },
    { title: "PID", align: "right", cell: ({ process }) => pidOf(process) },
    {
      title: "UP",
      drop: 1,
      cell: ({ process: { state, startedMs } }) => uptime(state, startedMs, nowMs),
    },
    { title: "CPU", align: "right", drop: 3, cell: ({ process }) => cpu([process]) },
    { title: "MEM", align: "right", drop: 2, cell: ({ process }) => memory([process]) },
    { title: "NEXT TRY", drop: 4, cell: ({ process: { nextTryMs } }) => until(nextTryMs, nowMs) },
  ];
}

function pidOf({ state, pid, pids = [] }: ProcessView): string {
  if (state === "left") return pids.join(" ");
  return pid === undefined ? "-" : String(pid);
}

function readiness(output: Output, service: ServiceView): string {
  const { ready, replicas, wanted, state, scheduled } = service;
  const isWaiting = scheduled?.does === "run" && state === "stopped";
  if (state === "completed" || isWaiting) return "-";
  const text = `${ready}/${replicas}`;
  return wanted === "up" && ready < replicas ? output.style("yellow", text) : text;
}

function uptime(state: ProcessView["state"], sinceMs: number | undefined, nowMs: number): string {
  const lives = state === "running" || state === "starting" || state === "stopping";
  return lives && sinceMs !== undefined ? ago(sinceMs, nowMs) : "-";
}

/** How long ago, in whole seconds: the clocks of two programs differ by a little. */
export function ago(sinceMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - sinceMs) / 1_000));
  return seconds === 0 ? "0s" : formatDuration(seconds * 1_000);
}

function restarts({ restarts, lastRestartMs }: ServiceView, nowMs: number): string {
  return lastRestartMs === undefined ? `${restarts}` : `${restarts} (${ago(lastRestartMs, nowMs)})`;
}

/** The CPU of processes together. */
export function cpu(processes: readonly Pick<ProcessView, "cpuPercent">[]): string {
  const known = processes.flatMap(({ cpuPercent }) => cpuPercent ?? []);
  return known.length === 0 ? "-" : `${Math.round(sum(known))}%`;
}

/** The memory of processes together. */
export function memory(processes: readonly Pick<ProcessView, "memoryBytes">[]): string {
  const known = processes.flatMap(({ memoryBytes }) => memoryBytes ?? []);
  return known.length === 0 ? "-" : formatSize(sum(known));
}

function until(nextTryMs: number | undefined, nowMs: number): string {
  return nextTryMs === undefined ? "" : `in ${formatDuration(Math.max(0, nextTryMs - nowMs))}`;
}

/** The next time of a schedule. */
function next(nowMs: number): (service: ServiceView) => string {
  return ({ scheduled }) =>
    scheduled === undefined ? "-" : `in ${untilText(scheduled.nextMs, nowMs)}`;
}

/** How long until a time, in whole seconds. */
export function untilText(atMs: number, nowMs: number): string {
  return formatDuration(Math.max(1, Math.round((atMs - nowMs) / 1_000)) * 1_000);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
