import { type JSX, render } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { Events, Running } from "./activity.tsx";
import { Confirm } from "./confirm.tsx";
import { connect } from "./connect.ts";
import { Deploys } from "./deploys.tsx";
import { Logs } from "./logs.tsx";
import { Overview } from "./overview.tsx";
import { Palette } from "./palette.tsx";
import { useRoute } from "./router.ts";
import { RunView } from "./run.tsx";
import { Queues, Runs } from "./runs.tsx";
import { Service } from "./service.tsx";
import { Services } from "./services.tsx";
import { enter, Refused } from "./session.ts";
import { Singletons, Sockets } from "./sockets.tsx";
import { type Connection, state, useStore } from "./store.ts";

const VIEWS: readonly (readonly [title: string, link: string, name: string])[] = [
  ["Overview", "#/", ""],
  ["Services", "#/services", "services"],
  ["Logs", "#/logs", "logs"],
  ["Deploys", "#/deploys", "deploys"],
  ["Queues", "#/queues", "queues"],
  ["Runs", "#/runs", "runs"],
  ["Sockets", "#/sockets", "sockets"],
  ["Singletons", "#/singletons", "singletons"],
  ["Events", "#/events", "events"],
];

const CONNECTIONS: Readonly<Record<Connection, string>> = {
  connecting: "connecting…",
  live: "live",
  lost: "connection lost, trying again…",
  paused: "paused",
  "signed out": "signed out",
};

function App(): JSX.Element {
  const { connection, about, why, trouble } = useStore();
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  const wrong = (why?.diagnoses.filter(({ ok }) => !ok).length ?? 0) + (why?.problems.length ?? 0);
  useEffect(() => {
    const title = VIEWS.find(([, , name]) => name === route.view)?.[0] ?? route.rest.at(-1) ?? "";
    document.title = `${wrong > 0 ? `(${wrong}) ` : ""}${title} · newel`;
  }, [route, wrong]);
  useEffect(() => {
    // A new view is read from its beginning by a screen reader too.
    if (document.activeElement !== document.body) main.current?.focus();
    scrollTo(0, 0);
  }, [route.view, route.rest.join("/")]);
  if (connection === "signed out") return <SignedOut />;
  return (
    <>
      <Header view={route.view} wrong={wrong} skip={() => main.current?.focus()} />
      <main id="main" ref={main} tabIndex={-1}>
        {trouble !== "" && (
          <p class="note" role="alert">
            {trouble}
          </p>
        )}
        {viewOf(route)}
      </main>
      <Running />
      <Confirm />
      <Palette views={VIEWS.map(([title, link]) => [title, link])} />
      {about !== undefined && (
        <footer>
          newel {about.version} · {about.home}
        </footer>
      )}
    </>
  );
}

function Header(props: { view: string; wrong: number; skip: () => void }): JSX.Element {
  const { connection, about } = useStore();
  const { view, wrong } = props;
  return (
    <header>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          props.skip();
        }}
      >
        Skip to the content
      </a>
      <a class="brand" href="#/">
        newel
      </a>
      <nav aria-label="Views">
        {VIEWS.map(([title, link, name]) => (
          <a key={name} href={link} aria-current={isCurrent(view, name) ? "page" : undefined}>
            {title}
            {name === "" && wrong > 0 && <span class="count">{wrong}</span>}
          </a>
        ))}
      </nav>
      <span class={`connection ${connection.replace(" ", "-")}`} role="status">
        {CONNECTIONS[connection]}
        {about?.readOnly === true && ", read-only"}
      </span>
      <kbd title="Ctrl-K opens views, services and actions">Ctrl-K</kbd>
    </header>
  );
}

function isCurrent(view: string, name: string): boolean {
  return (
    view === name ||
    (view === "service" && name === "services") ||
    (view === "run" && name === "runs")
  );
}

function viewOf(route: ReturnType<typeof useRoute>): JSX.Element {
  switch (route.view) {
    case "services":
      return <Services route={route} />;
    case "service":
      return <Service route={route} />;
    case "logs":
      return <Logs route={route} />;
    case "deploys":
      return <Deploys route={route} />;
    case "queues":
      return <Queues />;
    case "runs":
      return <Runs route={route} />;
    case "run":
      return <RunView route={route} />;
    case "sockets":
      return <Sockets />;
    case "singletons":
      return <Singletons />;
    case "events":
      return <Events />;
    default:
      return <Overview />;
  }
}

function SignedOut(): JSX.Element {
  const { message, fix } = state.refusal ?? {
    message: "This browser has no session with the dashboard.",
    fix: "Open the link that `newel dash` printed in its terminal.",
  };
  return (
    <main class="signed-out">
      <h1>newel</h1>
      <p>{message}</p>
      <p>{fix}</p>
    </main>
  );
}

async function begin(): Promise<void> {
  try {
    await enter();
  } catch (error) {
    // A link that was used is no reason to end a session that this browser has.
    if (!(error instanceof Refused)) throw error;
    state.refusal = { message: error.message, fix: error.fix };
  }
  const root = document.querySelector("#app");
  if (root !== null) render(<App />, root);
  connect();
}

void begin();
