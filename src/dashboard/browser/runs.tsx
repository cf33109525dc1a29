import type { JSX } from "preact";

import { formatDuration } from "../../base/units.ts";
import type { QueueStats, Run, RunState } from "../../jobs/api.ts";
import { RUN_FILTERS } from "../messages.ts";
import { ActButton, Empty, State, Table } from "./parts.tsx";
import { type Route, runLink, runsLink, setQuery } from "./router.ts";
import { useNow } from "./store.ts";
import { ago } from "./text.ts";
import { View } from "./view.tsx";

const STATES: readonly RunState[] = [
  "waiting",
  "delayed",
  "running",
  "done",
  "failed",
  "cancelled",
];
/** A longer wait of the first run in line is shown in red. */
const LATE_MS = 60_000;

/** The queues, as `newel jobs stats` prints them. */
export function Queues(): JSX.Element {
  return (
    <View
      title="Queues"
      request={{ name: "queues" }}
      draw={(stats: readonly QueueStats[]) =>
        stats.length === 0 ? (
          <Empty>There are no queues yet.</Empty>
        ) : (
          <Table caption="Queues" head={["Queue", ...STATES, "Latency", "", "Actions"]}>
            {stats.map((queue) => (
              <Queue key={queue.queue} stats={queue} />
            ))}
          </Table>
        )
      }
    />
  );
}

function Queue({ stats }: { stats: QueueStats }): JSX.Element {
  const { queue, counts, latencyMs, paused, unserved } = stats;
  const act = (verb: "pause" | "resume" | "drain", label: string): JSX.Element => (
    <ActButton request={{ verb, queue }} label={label} name={`${label} ${queue}`} small />
  );
  return (
    <tr>
      <th scope="row">
        <a href={runsLink({ queue })}>{queue}</a>
      </th>
      {STATES.map((state) => (
        <td key={state} class={state === "failed" && counts.failed > 0 ? "number off" : "number"}>
          {counts[state] === 0 ? "0" : <a href={runsLink({ queue, state })}>{counts[state]}</a>}
        </td>
      ))}
      <td class={latencyMs > LATE_MS ? "number off" : "number"}>{formatDuration(latencyMs)}</td>
      <td>
        {paused && <State of="paused" />}
        {unserved.length > 0 && <span class="off"> without server: {unserved.join(" ")}</span>}
      </td>
      <td>
        <span class="actions">
          {paused ? act("resume", "Resume") : act("pause", "Pause")}
          {counts.waiting > 0 && act("drain", "Drain")}
        </span>
      </td>
    </tr>
  );
}

/** Runs by the filters in the address; failures are grouped by their errors. */
export function Runs({ route: { query } }: { route: Route }): JSX.Element {
  const filter = Object.fromEntries(
    RUN_FILTERS.flatMap((name) => {
      const value = query.get(name) ?? "";
      return value === "" ? [] : [[name, value]];
    }),
  ) as Partial<Record<(typeof RUN_FILTERS)[number], string>>;
  return (
    <>
      <h1>Runs</h1>
      <p class="filters">
        <label>
          <span class="hidden">State</span>
          <select
            value={filter.state ?? ""}
            onChange={({ currentTarget }) => setQuery("state", currentTarget.value)}
          >
            <option value="">every state</option>
            {STATES.map((state) => (
              <option key={state}>{state}</option>
            ))}
          </select>
        </label>
        {(["queue", "name", "error"] as const).map((name) => (
          <label key={name}>
            <span class="hidden">{name}</span>
            <input
              type="search"
              class="short"
              value={filter[name] ?? ""}
              placeholder={name === "name" ? "job" : name}
              data-search={name === "error" ? true : undefined}
              onChange={({ currentTarget }) => setQuery(name, currentTarget.value)}
            />
          </label>
        ))}
        <ActButton
          request={{ verb: "retry all", filter }}
          label="Retry all failed"
          name="Retry all failed runs that match"
        />
      </p>
      <View
        title=""
        request={{ name: "runs", filter }}
        draw={(runs: readonly Run[]) =>
          runs.length === 0 ? <Empty>There are no such runs.</Empty> : <RunTable runs={runs} />
        }
      />
    </>
  );
}

function RunTable({ runs }: { runs: readonly Run[] }): JSX.Element {
  const now = useNow();
  return (
    <>
      <Failures runs={runs} />
      <Table
        caption="Runs"
        head={["Run", "State", "Job", "Age", "Try", "Progress", "By", "Error", ""]}
      >
        {runs.map((run) => (
          <tr key={run.id}>
            <th scope="row">
              <a href={runLink(run.id)} title={run.id}>
                {shortId(run.id)}
              </a>
            </th>
            <td>
              <State of={run.state} />
            </td>
            <td>{run.name}</td>
            <td class="number">{ago(run.enqueuedMs, now)}</td>
            <td class="number">
              {run.attempt}/{run.attempts}
            </td>
            <td>
              <Progress run={run} />
            </td>
            <td>{run.by ?? ""}</td>
            <td class="why">{run.error?.message ?? ""}</td>
            <td>
              <RunActions run={run} small />
            </td>
          </tr>
        ))}
      </Table>
    </>
  );
}

/** `mails~…2a095c68`: the first half of an id is its time. */
function shortId(id: string): string {
  return id.replace(/~.{12,}(.{8})$/, "~…$1");
}

/** The failed runs among those shown, by job and error. */
function Failures({ runs }: { runs: readonly Run[] }): JSX.Element | null {
  const groups = new Map<string, { name: string; error: string; count: number }>();
  for (const { state, name, error } of runs) {
    if (state !== "failed" || error === undefined) continue;
    const text = error.code ?? error.message;
    const group = groups.get(`${name} ${text}`) ?? { name, error: text, count: 0 };
    group.count += 1;
    groups.set(`${name} ${text}`, group);
  }
  if (groups.size === 0) return null;
  return (
    <ul class="groups" aria-label="Failures by error">
      {[...groups.values()]
        .toSorted((a, b) => b.count - a.count)
        .map(({ name, error, count }) => (
          <li key={`${name} ${error}`}>
            <strong>{count}</strong> {name}:{" "}
            <a href={runsLink({ state: "failed", name, error: error.slice(0, 200) })}>{error}</a>
          </li>
        ))}
    </ul>
  );
}

export function Progress({ run: { progress, id } }: { run: Run }): JSX.Element | null {
  if (progress === undefined) return null;
  const { done, total, note = "" } = progress;
  if (total <= 0) return <span>{done}</span>;
  return (
    <span>
      <progress aria-label={`Progress of ${id}`} max={total} value={done} />{" "}
      {Math.floor((done / total) * 100)}% ({done}/{total}) {note}
    </span>
  );
}

export function RunActions({ run, small }: { run: Run; small?: boolean }): JSX.Element {
  const { id, state } = run;
  const isOver = state === "failed" || state === "cancelled";
  const act = (verb: "retry" | "cancel", label: string): JSX.Element => (
    <ActButton
      request={{ verb, run: id }}
      label={label}
      name={`${label} ${id}`}
      small={small === true}
    />
  );
  return (
    <span class="actions">
      {isOver && act("retry", "Retry")}
      {!isOver && state !== "done" && act("cancel", "Cancel")}
    </span>
  );
}
