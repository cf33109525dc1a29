import type { JSX } from "preact";

import type { ActRequest, Reason } from "../messages.ts";
import { SERVICE_VERBS } from "../messages.ts";
import { ask } from "./confirm.tsx";
import { CommandLine, State } from "./parts.tsx";
import { logsLink, serviceLink } from "./router.ts";
import { state, useNow } from "./store.ts";
import { ago } from "./text.ts";

const SHOWN_LINES = 6;

/** The action that a fix stands for, when it is one of the page: `newel restart web`. */
function actionOf({ app, service, fix = "" }: Reason): ActRequest | undefined {
  const [newel, word, target = "", ...rest] = fix.split(" ");
  const verb = SERVICE_VERBS.find((each) => each === word);
  if (newel !== "newel" || verb === undefined || rest.length > 0) return undefined;
  if (verb !== "scale") return target === service ? { verb, app, service } : undefined;
  const replicas = Number(/=(\d+)$/.exec(target)?.[1]);
  return Number.isNaN(replicas) ? undefined : { verb, app, service, replicas };
}

/** A service that is not as it should be: the reason, the last lines, and the action that fixes it. */
export function ReasonCard({ reason }: { reason: Reason }): JSX.Element {
  const now = useNow();
  const { app, service, what, facts, sinceMs, advice, state: stands } = reason;
  const isRed = stands === "failed" || stands === "backoff" || stands === "not up";
  return (
    <article class={`reason ${isRed ? "red" : "amber"}`} aria-label={`${app}/${service}`}>
      <h3>
        <a href={serviceLink(app, service)}>{service}</a> <span class="muted">{app}</span>{" "}
        <State of={stands} />
        {sinceMs !== undefined && <span class="muted"> for {ago(sinceMs, now)}</span>}
      </h3>
      <p class="what">{what}</p>
      {facts.map((fact) => (
        <p key={fact} class="fact">
          {fact}
        </p>
      ))}
      <LastLines reason={reason} />
      <Settings reason={reason} />
      {advice !== undefined && <p class="advice">{advice}</p>}
      <Fix reason={reason} />
    </article>
  );
}

function LastLines({ reason: { app, service, lines } }: { reason: Reason }): JSX.Element | null {
  const shown = lines.filter((line) => line.trim() !== "").slice(-SHOWN_LINES);
  if (shown.length === 0) return null;
  return (
    <>
      <pre tabIndex={0} aria-label={`The last lines of ${service}`}>
        {shown.join("\n")}
      </pre>
      <a class="more" href={logsLink(app, service)}>
        all output
      </a>
    </>
  );
}

function Settings({ reason: { settings } }: { reason: Reason }): JSX.Element | null {
  if (settings.length === 0) return null;
  return (
    <details>
      <summary>Settings that govern it</summary>
      <ul>
        {settings.map(({ path, value, isDefault, file, line }) => (
          <li key={path}>
            <code>{path}</code> {value}
            {isDefault && <span class="muted"> (default)</span>}{" "}
            <span class="muted">
              {file}
              {line !== undefined && `:${line}`}
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Fix({ reason }: { reason: Reason }): JSX.Element | null {
  const { fix } = reason;
  if (fix === undefined) return null;
  const action = state.about?.readOnly === false ? actionOf(reason) : undefined;
  return (
    <p class="fix">
      {action !== undefined && (
        <button type="button" class="primary" onClick={() => ask(action)}>
          {action.verb[0]?.toUpperCase()}
          {action.verb.slice(1)}…
        </button>
      )}
      <CommandLine line={fix} />
    </p>
  );
}
