import type { JSX } from "preact";

import { formatSize } from "../../base/units.ts";
import { ActButton, Empty, State, Table } from "./parts.tsx";
import { type Route, setQuery } from "./router.ts";
import { useNow, useStore } from "./store.ts";
import { ago } from "./text.ts";
import { View } from "./view.tsx";

/** A release, as `newel releases --json` prints it. */
interface Release {
  readonly number: number;
  readonly app: string;
  readonly state: string;
  readonly step: string;
  readonly source: string;
  readonly commit?: string;
  readonly beganMs: number;
  readonly by: string;
  readonly bytes?: number;
  readonly changedEnv?: readonly string[];
  readonly why?: string;
}

/** The releases of an app, and the way back to one. */
export function Deploys({ route }: { route: Route }): JSX.Element {
  const { services } = useStore();
  const apps = [...new Set([...services.values()].map(({ app }) => app))];
  const app = route.query.get("app") ?? apps[0];
  if (app === undefined)
    return (
      <>
        <h1>Deploys</h1>
        <Empty>No app is up.</Empty>
      </>
    );
  return (
    <>
      <h1>Deploys</h1>
      {apps.length > 1 && (
        <p class="filters">
          <label>
            App{" "}
            <select
              value={app}
              onChange={({ currentTarget }) => setQuery("app", currentTarget.value)}
            >
              {apps.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          </label>
        </p>
      )}
      <View
        title=""
        request={{ name: "deploys", app }}
        draw={(releases: readonly Release[]) => (
          <Releases releases={releases.toReversed()} app={app} />
        )}
      />
    </>
  );
}

function Releases({ releases, app }: { releases: readonly Release[]; app: string }): JSX.Element {
  const now = useNow();
  if (releases.length === 0)
    return (
      <Empty>
        {app} has no release: <code>newel deploy</code> makes one.
      </Empty>
    );
  return (
    <Table
      caption="Releases"
      head={["Release", "State", "Source", "Age", "By", "Size", "Changed variables", ""]}
    >
      {releases.map((release) => {
        const { number, state, step, source, commit = "", beganMs, by, bytes, why } = release;
        const isStep = state === "failed" || state === "deploying";
        return (
          <tr key={number} class={state === "failed" ? "off" : ""}>
            <th scope="row">{number}</th>
            <td>
              <State of={state} /> {isStep && <span class="muted">({step})</span>}
            </td>
            <td class="why">
              {source} <code>{commit.slice(0, 8)}</code>
              {why !== undefined && <div>{why}</div>}
            </td>
            <td class="number">{ago(beganMs, now)}</td>
            <td>{by}</td>
            <td class="number">{bytes === undefined ? "" : formatSize(bytes)}</td>
            <td>{(release.changedEnv ?? []).join(" ")}</td>
            <td>
              {state === "former" && (
                <ActButton
                  request={{ verb: "rollback", app, release: number }}
                  label="Roll back"
                  name={`Roll back to release ${number}`}
                  small
                />
              )}
            </td>
          </tr>
        );
      })}
    </Table>
  );
}
