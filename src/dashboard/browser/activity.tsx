import type { JSX } from "preact";
import { useState } from "preact/hooks";

import type { Act } from "../messages.ts";
import { Empty } from "./parts.tsx";
import { useNow, useStore } from "./store.ts";
import { EventList } from "./overview.tsx";
import { clock } from "./text.ts";

/** A command that succeeded stays this long in the corner. */
const SHOWN_MS = 8_000;

/** The commands that run now, in the corner of every page; a failed one stays until it is closed. */
export function Running(): JSX.Element | null {
  const { acts } = useStore();
  const now = useNow();
  const [closed, setClosed] = useState(0);
  const shown = acts.filter(
    ({ id, endedMs, exitCode }) =>
      id > closed && (endedMs === undefined || exitCode !== 0 || now - endedMs < SHOWN_MS),
  );
  const last = shown.at(-1);
  return (
    <section class="commands" aria-label="Commands" role="status">
      {shown.slice(-3).map((act) => (
        <Command key={act.id} act={act} lines={4} now={now} />
      ))}
      {last?.endedMs !== undefined && (
        <button type="button" class="quiet" onClick={() => setClosed(last.id)}>
          close
        </button>
      )}
    </section>
  );
}

function Command({ act, lines, now }: { act: Act; lines: number; now: number }): JSX.Element {
  const { line, printed, endedMs, exitCode, startedMs } = act;
  const isOver = endedMs !== undefined;
  const seconds = (((endedMs ?? now) - startedMs) / 1_000).toFixed(1);
  const outcome = !isOver ? "runs" : exitCode === 0 ? "done" : `exit code ${exitCode ?? "?"}`;
  return (
    <article class={isOver && exitCode !== 0 ? "act red" : "act"}>
      <p>
        <code>{line}</code>{" "}
        <span class="muted">
          {outcome}, {seconds} s
        </span>
      </p>
      {printed.length > 0 && <pre tabIndex={0}>{printed.slice(-lines).join("\n")}</pre>}
    </article>
  );
}

/** Every change of state and every command of a page since the dashboard was started. */
export function Events(): JSX.Element {
  const { events, acts, about } = useStore();
  const now = useNow();
  return (
    <>
      <h1>Events</h1>
      <p class="muted">
        Since {about === undefined ? "the start of the dashboard" : clock(about.startedMs, now)};{" "}
        <code>newel events</code> prints the same.
      </p>
      <EventList events={events.toReversed()} />
      <h2>Commands from this dashboard</h2>
      {acts.length === 0 ? (
        <Empty>None yet.</Empty>
      ) : (
        acts.toReversed().map((act) => <Command key={act.id} act={act} lines={200} now={now} />)
      )}
    </>
  );
}
