import type { JSX } from "preact";

import { formatSize } from "../../base/units.ts";
import type { ProcessView, ServiceView } from "../../supervisor/api.ts";
import { isWell } from "./overview.tsx";
import { Actions, Empty, Spark, State, Table } from "./parts.tsx";
import { type Route, serviceLink, setQuery } from "./router.ts";
import { keyOf, pointOf, state as store, useNow, useStore } from "./store.ts";
import { ago } from "./text.ts";

/** Every service, as `newel ps` lists them; those that are not well come first. */
export function Services({ route }: { route: Route }): JSX.Element {
  const { services, isLoaded, supervised } = useStore();
  const text = route.query.get("q") ?? "";
  const all = [...services.values()];
  const shown = all
    .filter((service) => matches(service, text))
    .toSorted((a, b) => Number(isWell(a)) - Number(isWell(b)));
  const apps = new Set(all.map(({ app }) => app));
  return (
    <>
      <h1>Services</h1>
      <p class="filters">
        <label>
          <span class="hidden">Find services</span>
          <input
            type="search"
            value={text}
            placeholder="name, app, state or @tag"
            data-search
            onInput={({ currentTarget }) => setQuery("q", currentTarget.value)}
          />
        </label>
        <span class="muted">
          {shown.length} of {all.length}
        </span>
      </p>
      {isLoaded && all.length === 0 ? (
        <Empty>
          {supervised ? "Nothing is up: `newel up` starts an app." : "No supervisor runs."}
        </Empty>
      ) : (
        <Table
          caption="Services"
          head={[
            "Service",
            "State",
            "Ready",
            "Up",
            "Restarts",
            "CPU",
            "Memory",
            "Listens on",
            ...(store.about?.readOnly === false ? ["Actions"] : []),
          ]}
        >
          {shown.map((service) => (
            <Row key={keyOf(service)} service={service} withApp={apps.size > 1} />
          ))}
        </Table>
      )}
    </>
  );
}

function matches({ app, name, state, tags = [] }: ServiceView, text: string): boolean {
  const words = text.toLowerCase().split(/\s+/);
  const own = `${app}/${name} ${state} ${tags.map((tag) => `@${tag}`).join(" ")}`.toLowerCase();
  return words.every((word) => own.includes(word));
}

function Row({ service, withApp }: { service: ServiceView; withApp: boolean }): JSX.Element {
  const now = useNow();
  const { points } = useStore();
  const { app, name, state, sinceMs, listen, processes } = service;
  const line = points.get(keyOf(service)) ?? [];
  return (
    <tr class={isWell(service) ? "" : "off"}>
      <th scope="row">
        <a href={serviceLink(app, name)}>{name}</a> {withApp && <span class="muted">{app}</span>}
      </th>
      <td>
        <State of={state} />
      </td>
      <td class={isWell(service) ? "number" : "number off"}>{readiness(service)}</td>
      <td class="number">{uptime(state, sinceMs, now)}</td>
      <td class="number">{restarts(service, now)}</td>
      <td class="number">
        <Spark points={line} part={0} least={5} /> {cpuText(processes)}
      </td>
      <td class="number">
        <Spark points={line} part={1} least={1} /> {memoryText(processes)}
      </td>
      <td class="mono">{listen.join(" ")}</td>
      {store.about?.readOnly === false && (
        <td>
          <Actions service={service} small />
        </td>
      )}
    </tr>
  );
}

export function readiness({ ready, replicas, state }: ServiceView): string {
  return state === "completed" ? "-" : `${ready}/${replicas}`;
}

export function uptime(
  state: ProcessView["state"],
  sinceMs: number | undefined,
  now: number,
): string {
  const lives = state === "running" || state === "starting" || state === "stopping";
  return lives && sinceMs !== undefined ? ago(sinceMs, now) : "-";
}

export function restarts({ restarts, lastRestartMs }: ServiceView, now: number): string {
  return lastRestartMs === undefined ? `${restarts}` : `${restarts} (${ago(lastRestartMs, now)})`;
}

export function cpuText(processes: readonly ProcessView[]): string {
  if (processes.every(({ cpuPercent }) => cpuPercent === undefined)) return "-";
  return `${Math.round(pointOf({ processes } as ServiceView)[0])}%`;
}

export function memoryText(processes: readonly ProcessView[]): string {
  if (processes.every(({ memoryBytes }) => memoryBytes === undefined)) return "-";
  return formatSize(pointOf({ processes } as ServiceView)[1]);
}
