import type { JSX } from "preact";
import { useEffect } from "preact/hooks";

import { formatDuration, formatSize } from "../../base/units.ts";
import type { ProcessView, ServiceDetail } from "../../supervisor/api.ts";
import type { ReplicaFigures } from "../messages.ts";
import { watch } from "./connect.ts";
import { Actions, Empty, Spark, State, Table } from "./parts.tsx";
import { ReasonCard } from "./reasons.tsx";
import { logsLink, type Route } from "./router.ts";
import { cpuText, memoryText, readiness, restarts, uptime } from "./services.tsx";
import { state, useNow, useStore } from "./store.ts";
import { ago, exitText } from "./text.ts";

/** One service: as `newel show` and `newel why` print it. */
export function Service({ route }: { route: Route }): JSX.Element {
  const [app = "", name = ""] = route.rest;
  const key = `${app}/${name}`;
  const { detail: message, why } = useStore();
  useEffect(() => {
    watch({ service: key });
    return () => watch({});
  }, [key]);
  if (message?.key !== key) return <h1>{name}</h1>;
  const { detail, figures } = message;
  if (detail === undefined)
    return (
      <>
        <h1>{name}</h1>
        <Empty>There is no such service in the app {app} now.</Empty>
      </>
    );
  const reason = why?.diagnoses.find(
    (each) => each.app === app && each.service === name && !each.ok,
  );
  return (
    <>
      <h1>
        {name} <span class="muted">{app}</span> <State of={detail.state} />
      </h1>
      <p>
        <Actions service={detail} />
      </p>
      {reason === undefined ? (
        detail.why !== undefined && <p class="note">{detail.why}</p>
      ) : (
        <ReasonCard reason={reason} />
      )}
      <Load detail={detail} />
      <h2>Replicas</h2>
      <Replicas detail={detail} figures={figures} />
      <h2>Last exits</h2>
      <Exits detail={detail} />
      <h2>
        Last lines <a href={logsLink(app, name)}>all output</a>
      </h2>
      {detail.lastLines.length === 0 ? (
        <Empty>It has printed nothing.</Empty>
      ) : (
        <pre tabIndex={0} aria-label="Last lines">
          {detail.lastLines.join("\n")}
        </pre>
      )}
      <h2>Settings</h2>
      <Facts detail={detail} />
    </>
  );
}

function Load({ detail }: { detail: ServiceDetail }): JSX.Element {
  const now = useNow();
  const points = state.points.get(`${detail.app}/${detail.name}`) ?? [];
  const top = (part: 0 | 1): number => Math.max(0, ...points.map((point) => point[part]));
  return (
    <dl class="numbers">
      <div class={detail.ready < detail.replicas && detail.state !== "completed" ? "off" : ""}>
        <dt>Ready</dt>
        <dd>
          {readiness(detail)} <small>up {uptime(detail.state, detail.sinceMs, now)}</small>
        </dd>
      </div>
      <div>
        <dt>Restarts</dt>
        <dd>{restarts(detail, now)}</dd>
      </div>
      <div>
        <dt>CPU</dt>
        <dd>
          {cpuText(detail.processes)} <small>most {Math.round(top(0))}%</small>
        </dd>
        <Spark points={points} part={0} least={5} tall />
      </div>
      <div>
        <dt>Memory</dt>
        <dd>
          {memoryText(detail.processes)} <small>most {formatSize(top(1))}</small>
        </dd>
        <Spark points={points} part={1} least={1} tall />
      </div>
    </dl>
  );
}

function Replicas(props: {
  detail: ServiceDetail;
  figures: readonly ReplicaFigures[];
}): JSX.Element {
  const now = useNow();
  const { processes } = props.detail;
  if (processes.length === 0) return <Empty>It has no replica.</Empty>;
  return (
    <Table
      caption="Replicas"
      head={[
        "Replica",
        "State",
        "Ready",
        "Pid",
        "Up",
        "CPU",
        "Memory",
        "Loop delay",
        "Requests",
        "Files",
      ]}
    >
      {processes.map((process) => (
        <Replica
          key={`${process.name} ${process.kernelName}`}
          process={process}
          figures={props.figures.find((each) => each.process === process.name)}
          now={now}
        />
      ))}
    </Table>
  );
}

function Replica(props: {
  process: ProcessView;
  figures: ReplicaFigures | undefined;
  now: number;
}): JSX.Element {
  const { process, figures, now } = props;
  const { loopDelaySeconds: delay, activeRequests = "-", descriptors = "-" } = figures ?? {};
  const next =
    process.nextTryMs === undefined
      ? ""
      : ` next try in ${formatDuration(Math.max(0, Math.ceil((process.nextTryMs - now) / 1_000) * 1_000))}`;
  return (
    <tr>
      <th scope="row">{process.name}</th>
      <td>
        <State of={process.state} ready={process.ready} />
        <span class="muted">{next}</span>
      </td>
      <td>{process.ready ? "yes" : "no"}</td>
      <td class="number">
        {process.state === "left" ? (process.pids ?? []).join(" ") : (process.pid ?? "-")}
      </td>
      <td class="number">{uptime(process.state, process.startedMs, now)}</td>
      <td class="number">{cpuText([process])}</td>
      <td class="number">{memoryText([process])}</td>
      <td class="number">{delay === undefined ? "-" : `${Math.round(delay * 1_000)} ms`}</td>
      <td class="number">{activeRequests}</td>
      <td class="number">{descriptors}</td>
    </tr>
  );
}

function Exits({ detail: { lastExits } }: { detail: ServiceDetail }): JSX.Element {
  const now = useNow();
  if (lastExits.length === 0) return <Empty>No replica has ended.</Empty>;
  return (
    <Table caption="Last exits" head={["Replica", "Pid", "When", "How", "Why"]}>
      {lastExits.toReversed().map(({ process, pid, atMs, exitCode, asked, why }) => (
        <tr key={`${pid} ${atMs}`}>
          <th scope="row">{process}</th>
          <td class="number">{pid}</td>
          <td class="number">{ago(atMs, now)} ago</td>
          <td>{exitText(exitCode)}</td>
          <td class="why">{why ?? (asked ? "newel requested it" : "")}</td>
        </tr>
      ))}
    </Table>
  );
}

function Facts({ detail }: { detail: ServiceDetail }): JSX.Element {
  const { listen, command, cwd, file, readiness, restartPolicy, stop, dependsOn, envKeys } = detail;
  const dependencies = Object.entries(dependsOn).map(
    ([name, condition]) => `${name} (${condition})`,
  );
  const facts: readonly (readonly [string, string])[] = [
    ["listens on", listen.join(", ") || "nothing"],
    ["command", command],
    ["directory", cwd],
    ["configured in", file],
    ["ready when", readiness],
    ["restart policy", restartPolicy],
    ["stopped by", stop],
    ["depends on", dependencies.join(", ") || "nothing"],
    ["environment", envKeys.join(" ") || "empty"],
  ];
  return (
    <dl class="facts">
      {facts.map(([title, text]) => (
        <div key={title}>
          <dt>{title}</dt>
          <dd>{text}</dd>
        </div>
      ))}
      <div>
        <dt />
        <dd class="muted">
          Of the environment only the names are shown, because values may be secret.
        </dd>
      </div>
    </dl>
  );
}
