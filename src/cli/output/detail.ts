import { formatSize } from "../../base/units.ts";
import type { LastExit, ProcessView, ScheduledView, ServiceDetail } from "../../supervisor/api.ts";
import { type Output, plain } from "./output.ts";
import { ago, untilText } from "./services.ts";

/** A service in detail, as `newel show` prints it. */
export function formatDetail(detail: ServiceDetail, output: Output, nowMs: number): string[] {
  const { app, name, state, ready, replicas, why } = detail;
  const facts: [string, string][] = [
    [
      "state",
      `${state} for ${ago(detail.sinceMs, nowMs)}, ${ready}/${replicas} ready, wanted ${detail.wanted}`,
    ],
    ...(why === undefined ? [] : ([["why", plain(why)]] as [string, string][])),
    ...(detail.scheduled === undefined ? [] : [scheduleOf(detail.scheduled, nowMs)]),
    ["listens on", detail.listen.join(", ") || "nothing"],
    ["restarts", restartsOf(detail, nowMs)],
    ["command", plain(detail.command)],
    ["directory", detail.cwd],
    ["configured in", detail.file],
    ["ready when", detail.readiness],
    ["restart policy", detail.restartPolicy],
    ["stopped by", detail.stop],
    ["depends on", dependencies(detail) || "nothing"],
    ["environment", detail.envKeys.join(" ") || "empty"],
  ];
  const width = Math.max(...facts.map(([label]) => label.length));
  return [
    output.style("bold", `${app}/${name}`),
    ...facts.map(([label, text]) => `  ${output.style("dim", label.padEnd(width))}  ${text}`),
    ...section(
      "Processes",
      detail.processes.map((process) => processLine(process, nowMs)),
      output,
    ),
    ...section(
      "Last exits",
      detail.lastExits.map((exit) => exitLine(exit, nowMs)),
      output,
    ),
    ...section("Last lines", detail.lastLines, output),
  ];
}

function section(title: string, lines: readonly string[], output: Output): string[] {
  return lines.length === 0
    ? []
    : [output.style("bold", title), ...lines.map((line) => `  ${line}`)];
}

function restartsOf({ restarts, lastRestartMs }: ServiceDetail, nowMs: number): string {
  return lastRestartMs === undefined
    ? `${restarts}`
    : `${restarts}, last ${ago(lastRestartMs, nowMs)} ago`;
}

function scheduleOf({ does, cron, tz, nextMs }: ScheduledView, nowMs: number): [string, string] {
  const zone = tz === undefined ? "" : ` (${tz})`;
  const next = `${new Date(nextMs).toISOString()}, in ${untilText(nextMs, nowMs)}`;
  return [does === "run" ? "runs at" : "reloads at", `${plain(cron)}${zone}, next ${next}`];
}

function dependencies({ dependsOn }: ServiceDetail): string {
  return Object.entries(dependsOn)
    .map(([name, condition]) => `${name} (${condition})`)
    .join(", ");
}

function processLine(process: ProcessView, nowMs: number): string {
  const { name, state, ready, pid, pids = [], startedMs, memoryBytes } = process;
  const others = pids.filter((each) => each !== pid);
  const parts = [
    `${name}  ${state}${ready ? ", ready" : ""}`,
    ...(pid === undefined ? [] : [`pid ${pid}`]),
    ...(others.length === 0 ? [] : [`${pid === undefined ? "pid" : "and"} ${others.join(" ")}`]),
    ...(pid === undefined || startedMs === undefined ? [] : [`up ${ago(startedMs, nowMs)}`]),
    ...(memoryBytes === undefined ? [] : [formatSize(memoryBytes)]),
  ];
  return parts.join("  ");
}

function exitLine({ process, pid, atMs, exitCode, asked }: LastExit, nowMs: number): string {
  const how =
    exitCode === null
      ? "unknown exit code"
      : exitCode < 0
        ? `signal ${-exitCode}`
        : `exit code ${exitCode}`;
  return `${process} (pid ${pid})  ${how}, ${ago(atMs, nowMs)} ago${asked ? ", as asked" : ""}`;
}
