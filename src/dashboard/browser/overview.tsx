import type { JSX } from "preact";

import { formatSize } from "../../base/units.ts";
import type { ServiceView, SupervisorEvent } from "../../supervisor/api.ts";
import { CommandLine, Empty, State } from "./parts.tsx";
import { ReasonCard } from "./reasons.tsx";
import { serviceLink } from "./router.ts";
import { pointOf, useNow, useStore } from "./store.ts";
import { ago, clock } from "./text.ts";

const SHOWN_EVENTS = 8;
const RANKS: Readonly<Record<string, number>> = { failed: 0, "not up": 0, backoff: 1 };

/** The first page: everything that is wrong, then four numbers, then the last changes. */
export function Overview(): JSX.Element {
  const { why, services, events, isLoaded } = useStore();
  const reasons = (why?.diagnoses ?? [])
    .filter(({ ok }) => !ok)
    .toSorted((a, b) => (RANKS[a.state] ?? 2) - (RANKS[b.state] ?? 2));
  const problems = why?.problems ?? [];
  const wrong = reasons.length + problems.length;
  return (
    <>
      <h1 class={wrong > 0 ? "bad" : ""}>{headline(wrong, why !== undefined, services.size)}</h1>
      {problems.map(({ what, fix }) => (
        <article key={what} class="reason red">
          <p class="what">{what}</p>
          {fix !== undefined && (
            <p class="fix">
              <CommandLine line={fix} />
            </p>
          )}
        </article>
      ))}
      {reasons.map((reason) => (
        <ReasonCard key={`${reason.app}/${reason.service}`} reason={reason} />
      ))}
      {isLoaded && <Numbers services={[...services.values()]} />}
      {(why?.notes ?? []).map((note) => (
        <p key={note} class="note">
          {note}
        </p>
      ))}
      <h2>Last changes</h2>
      <EventList events={events.slice(-SHOWN_EVENTS).toReversed()} />
      {events.length > SHOWN_EVENTS && <a href="#/events">all changes</a>}
    </>
  );
}

function headline(wrong: number, isKnown: boolean, count: number): string {
  if (!isKnown) return "Reading the services…";
  if (wrong > 0) return wrong === 1 ? "1 thing is wrong" : `${wrong} things are wrong`;
  return count === 0 ? "Nothing is up" : "Every service is as it should be";
}

/** Whether a service is as its operator wants it, as the exit code of `newel ps NAME` says it. */
export function isWell({ wanted, state, ready, replicas }: ServiceView): boolean {
  if (wanted === "down") return state === "stopped";
  return state === "completed" || (state === "running" && ready >= replicas);
}

function Numbers({ services }: { services: readonly ServiceView[] }): JSX.Element {
  const now = useNow();
  const sum = (valueOf: (service: ServiceView) => number): number =>
    services.reduce((total, each) => total + valueOf(each), 0);
  const up = services.filter(({ wanted, state }) => wanted === "up" && state !== "completed");
  const ready = up.reduce((total, each) => total + each.ready, 0);
  const replicas = up.reduce((total, each) => total + each.replicas, 0);
  const last = Math.max(...services.map(({ lastRestartMs = 0 }) => lastRestartMs));
  const tiles: readonly (readonly [string, string, string, boolean])[] = [
    [
      "Services as wanted",
      `${services.filter(isWell).length}/${services.length}`,
      "",
      services.every(isWell),
    ],
    ["Replicas ready", `${ready}/${replicas}`, "", ready >= replicas],
    [
      "Automatic restarts",
      String(sum(({ restarts }) => restarts)),
      last > 0 ? `last ${ago(last, now)} ago` : "",
      true,
    ],
    [
      "CPU and memory",
      `${Math.round(sum((each) => pointOf(each)[0]))}%`,
      formatSize(sum((each) => pointOf(each)[1])),
      true,
    ],
  ];
  return (
    <dl class="numbers">
      {tiles.map(([title, value, more, isFine]) => (
        <div key={title} class={isFine ? "" : "off"}>
          <dt>{title}</dt>
          <dd>
            {value} {more !== "" && <small>{more}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

export function EventList({ events }: { events: readonly SupervisorEvent[] }): JSX.Element {
  const now = useNow();
  if (events.length === 0)
    return <Empty>No service has changed its state since the dashboard was started.</Empty>;
  return (
    <ol class="events" reversed>
      {events.map(({ seq, timeMs, app, service, process, state, ready, why }) => (
        <li key={seq}>
          <time dateTime={new Date(timeMs).toISOString()} title={`${ago(timeMs, now)} ago`}>
            {clock(timeMs, now)}
          </time>{" "}
          <a href={serviceLink(app, service)}>{process ?? service}</a>{" "}
          <span class="muted">{app}</span> <State of={state} ready={ready} />
          {ready && <span class="muted"> ready</span>}
          {why !== undefined && <span class="why"> {why}</span>}
        </li>
      ))}
    </ol>
  );
}
