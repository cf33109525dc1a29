import { inspect } from "node:util";

import { type NewelError, newelError } from "../../base/errors.ts";
import { formatDuration } from "../../base/units.ts";
import type { FailedAttempt, QueueStats, Run, RunState } from "../../jobs/api.ts";
import { type Output, plain, type Style } from "../output/output.ts";
import { ago } from "../output/services.ts";
import { type Column, formatTable } from "../output/table.ts";

const STYLES: Readonly<Record<RunState, Style>> = {
  waiting: "dim",
  delayed: "dim",
  running: "cyan",
  done: "green",
  failed: "red",
  cancelled: "yellow",
};

/** Runs as a table. */
export function formatRuns(runs: readonly Run[], output: Output, nowMs: number): string[] {
  const columns: Column<Run>[] = [
    { title: "RUN", cell: ({ id }) => id },
    { title: "STATE", cell: ({ state }) => output.style(STYLES[state], state) },
    { title: "JOB", cut: true, cell: ({ name }) => plain(name) },
    { title: "AGE", drop: 3, cell: ({ enqueuedMs }) => ago(enqueuedMs, nowMs) },
    { title: "TRY", drop: 4, align: "right", cell: (run) => `${run.attempt}/${run.attempts}` },
    { title: "PROGRESS", drop: 2, cell: progressOf },
    { title: "BY", drop: 5, cell: ({ by = "" }) => plain(by) },
    { title: "ERROR", drop: 1, cut: true, cell: ({ error }) => plain(error?.message ?? "") },
  ];
  // An empty column would take the room of a useful one.
  const telling = columns.filter(({ cell }) => runs.some((run) => cell(run) !== ""));
  return formatTable(telling, runs, output.columns);
}

/** Queues and how many runs they have in each state. */
export function formatStats(stats: readonly QueueStats[], output: Output): string[] {
  const count = (state: RunState): Column<QueueStats> => ({
    title: state.toUpperCase(),
    align: "right",
    cell: ({ counts }) => String(counts[state]),
  });
  const columns: Column<QueueStats>[] = [
    { title: "QUEUE", cut: true, cell: ({ queue }) => queue },
    ...(["waiting", "delayed", "running", "done", "failed", "cancelled"] as const).map(count),
    { title: "LATENCY", drop: 1, cell: ({ latencyMs }) => formatDuration(latencyMs) },
    { title: "", drop: 2, cell: ({ paused }) => (paused ? output.style("yellow", "paused") : "") },
  ];
  const unserved: Column<QueueStats> = {
    title: "WITHOUT SERVER",
    drop: 3,
    cell: (queue) => output.style("red", queue.unserved.map(plain).join(" ")),
  };
  const told = stats.some((queue) => unserved.cell(queue) !== "") ? [unserved] : [];
  return formatTable([...columns, ...told], stats, output.columns);
}

/** The runs that hold each other up, as the error that the server logs; `undefined` when there is none. */
export function blockedError(stats: readonly QueueStats[]): NewelError | undefined {
  const blocked = stats.flatMap((queue) => queue.blocked);
  if (blocked.length === 0) return undefined;
  const limits = [...new Set(blocked.flatMap((run) => run.limits))].join(", ");
  const runs = blocked.map(({ run, waitsFor }) => `${run} for ${waitsFor.join(" and ")}`);
  return newelError("NEWEL_E_JOB_DEADLOCK", {
    limits: plain(limits),
    runs: plain(runs.join(", ")),
  });
}

/** A run in detail. */
export function formatRun(
  run: Run,
  logs: readonly string[],
  output: Output,
  nowMs: number,
): string[] {
  const { error, progress } = run;
  const facts: [string, string | undefined][] = [
    ["state", output.style(STYLES[run.state], run.state)],
    ["attempt", `${run.attempt} of ${run.attempts}`],
    ["progress", progress && `${progressOf(run)} ${plain(progress.note ?? "")}`.trim()],
    ["error", error && plain(`${error.code ?? error.name}: ${error.message}`)],
    ["by", run.by && plain(run.by)],
    ["key", run.key && plain(run.key)],
    ["priority", run.priority === 0 ? undefined : String(run.priority)],
    ["enqueued", moment(run.enqueuedMs, nowMs)],
    ["due", moment(run.dueMs, nowMs)],
    ["started", moment(run.startedMs, nowMs)],
    ["finished", moment(run.finishedMs, nowMs)],
    ["input", shown(run.input)],
    ["result", run.state === "done" ? shown(run.result) : undefined],
  ];
  const told = facts.filter((fact): fact is [string, string] => fact[1] !== undefined);
  const width = Math.max(...told.map(([label]) => label.length));
  return [
    output.style("bold", `${plain(run.name)} (${run.id})`),
    ...told.map(([label, text]) => `  ${output.style("dim", label.padEnd(width))}  ${text}`),
    ...(run.failures ?? []).flatMap((failure) => formatAttempt(failure, output)),
    ...(logs.length === 0 ? [] : [output.style("bold", "Log")]),
    ...logs.map((line) => `  ${plain(line)}`),
  ];
}

/** A failed attempt: its time and place, its stack and last output. */
function formatAttempt(failure: FailedAttempt, output: Output): string[] {
  const { attempt, startedMs, endedMs, server, error, stack, stderr = [] } = failure;
  const lines = (stack ?? `${error.name}: ${error.message}`).split("\n");
  const where = [
    ...(startedMs === undefined ? [] : [new Date(startedMs).toISOString()]),
    ...(startedMs === undefined || endedMs === undefined
      ? []
      : [`for ${formatDuration(endedMs - startedMs)}`]),
    ...(server === undefined ? [] : [`on ${plain(server)}`]),
  ].join(" ");
  return [
    output.style("bold", `Failed attempt ${attempt}`) + ` ${output.style("dim", where)}`.trimEnd(),
    ...lines.map((line) => `  ${plain(line)}`),
    ...(stderr.length === 0 ? [] : [`  ${output.style("dim", "last lines of stderr:")}`]),
    ...stderr.map((line) => `    ${plain(line)}`),
  ];
}

function progressOf({ progress }: Run): string {
  if (progress === undefined) return "";
  const { done, total } = progress;
  return total > 0 ? `${Math.floor((done / total) * 100)}% (${done}/${total})` : String(done);
}

function moment(ms: number | undefined, nowMs: number): string | undefined {
  if (ms === undefined) return undefined;
  const distance = ms > nowMs ? `in ${formatDuration(ms - nowMs)}` : `${ago(ms, nowMs)} ago`;
  return `${new Date(ms).toISOString()} (${distance})`;
}

/** The longest value that is shown, in characters; --json has all of it. */
const SHOWN = 500;

function shown(value: unknown): string {
  const text = plain(inspect(value, { breakLength: Number.POSITIVE_INFINITY, depth: 6 }));
  return text.length > SHOWN ? `${text.slice(0, SHOWN - 1)}…` : text;
}
