import type { JSX } from "preact";

import { formatDuration } from "../../base/units.ts";
import type { FailedAttempt, Run } from "../../jobs/api.ts";
import { Empty, State } from "./parts.tsx";
import type { Route } from "./router.ts";
import { Progress, RunActions } from "./runs.tsx";
import { useNow } from "./store.ts";
import { ago } from "./text.ts";
import { View } from "./view.tsx";

type Shown = Run & { readonly logs: readonly string[] };

/** One run with its attempts and its log, as `newel jobs show` prints it. */
export function RunView({ route: { rest } }: { route: Route }): JSX.Element {
  const [id = ""] = rest;
  return (
    <>
      <h1>{id}</h1>
      <View
        title=""
        request={{ name: "run", run: id }}
        draw={(run: Shown) => <Parts run={run} />}
      />
    </>
  );
}

function Parts({ run }: { run: Shown }): JSX.Element {
  const { failures = [], logs } = run;
  return (
    <>
      <p>
        <State of={run.state} /> {run.name} <Progress run={run} /> <RunActions run={run} />
      </p>
      <Facts run={run} />
      {failures.map((failure) => (
        <Attempt key={failure.attempt} failure={failure} />
      ))}
      <h2>Log</h2>
      {logs.length === 0 ? (
        <Empty>The run has logged nothing.</Empty>
      ) : (
        <pre tabIndex={0} aria-label="Log">
          {logs.join("\n")}
        </pre>
      )}
    </>
  );
}

function Facts({ run }: { run: Shown }): JSX.Element {
  const now = useNow();
  const moment = (ms: number | undefined): string => {
    if (ms === undefined) return "";
    const distance = ms > now ? `in ${formatDuration(ms - now)}` : `${ago(ms, now)} ago`;
    return `${new Date(ms).toISOString()} (${distance})`;
  };
  const json = (value: unknown): string =>
    value === undefined ? "" : JSON.stringify(value, undefined, 2);
  const facts: readonly (readonly [string, string])[] = [
    ["queue", run.queue],
    ["attempt", `${run.attempt} of ${run.attempts}`],
    [
      "error",
      run.error === undefined ? "" : `${run.error.code ?? run.error.name}: ${run.error.message}`,
    ],
    ["by", run.by ?? ""],
    ["key", run.key ?? ""],
    ["enqueued", moment(run.enqueuedMs)],
    ["due", moment(run.dueMs)],
    ["started", moment(run.startedMs)],
    ["finished", moment(run.finishedMs)],
    ["server", run.server ?? ""],
    ["input", json(run.input)],
    ["result", run.state === "done" ? json(run.result) : ""],
  ];
  return (
    <dl class="facts">
      {facts
        .filter(([, text]) => text !== "")
        .map(([title, text]) => (
          <div key={title}>
            <dt>{title}</dt>
            <dd class={title === "input" || title === "result" ? "mono" : ""}>{text}</dd>
          </div>
        ))}
    </dl>
  );
}

function Attempt({ failure }: { failure: FailedAttempt }): JSX.Element {
  const { attempt, startedMs, endedMs, server, error, stack, stderr = [] } = failure;
  const lasted = startedMs === undefined || endedMs === undefined ? undefined : endedMs - startedMs;
  return (
    <section aria-label={`Failed attempt ${attempt}`}>
      <h2>
        Failed attempt {attempt}{" "}
        <span class="muted">
          {startedMs !== undefined && new Date(startedMs).toISOString()}
          {lasted !== undefined && ` for ${formatDuration(lasted)}`}
          {server !== undefined && ` on ${server}`}
        </span>
      </h2>
      <pre tabIndex={0}>{stack ?? `${error.name}: ${error.message}`}</pre>
      {stderr.length > 0 && <pre tabIndex={0}>{stderr.join("\n")}</pre>}
    </section>
  );
}
