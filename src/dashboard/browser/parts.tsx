import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";

import type { ServiceView } from "../../supervisor/api.ts";
import type { ActRequest, Point } from "../messages.ts";
import { commandOf, lineOf } from "../messages.ts";
import { ask } from "./confirm.tsx";
import { state } from "./store.ts";

/** A sign for each kind of state, so that no state is shown by its colour alone. */
const SIGNS: Readonly<Record<string, string>> = {
  running: "●",
  completed: "✓",
  starting: "◐",
  stopping: "◐",
  backoff: "▲",
  left: "▲",
  failed: "✕",
  stopped: "○",
  "not up": "○",
  paused: "▲",
  refusing: "✕",
  unbound: "○",
  bound: "●",
  interrupted: "▲",
  deploying: "◐",
  former: "○",
  live: "●",
  cancelled: "–",
  done: "✓",
  delayed: "◷",
  waiting: "◦",
};

export function State({ of, ready }: { of: string; ready?: boolean }): JSX.Element {
  const isWaiting = of === "running" && ready === false;
  return (
    <span class={`state ${isWaiting ? "starting" : of.replace(" ", "-")}`}>
      <span aria-hidden="true">{isWaiting ? "◐" : (SIGNS[of] ?? "·")}</span> {of}
    </span>
  );
}

const WIDTH = 100;
const HEIGHT = 24;

/** The last minutes of a figure as a line; the text next to it has the present value. */
export function Spark(props: {
  points: readonly Point[];
  part: 0 | 1;
  /** The value at the top, at least. */
  least: number;
  tall?: boolean;
}): JSX.Element | null {
  const values = props.points.map((point) => point[props.part]);
  if (values.length < 2) return null;
  const top = Math.max(props.least, ...values);
  const steps = Math.max(values.length - 1, 30);
  const offset = steps - (values.length - 1);
  const path = values
    .map((value, index) => {
      const x = ((index + offset) / steps) * WIDTH;
      return `${x.toFixed(1)},${(HEIGHT - 1 - (value / top) * (HEIGHT - 3)).toFixed(1)}`;
    })
    .join(" ");
  return (
    <svg
      class={props.tall ? "spark tall" : "spark"}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <polyline points={path} />
    </svg>
  );
}

/** A command line that can be copied. */
export function CommandLine({ line }: { line: string }): JSX.Element {
  const [isCopied, set] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(line);
    set(true);
    setTimeout(() => set(false), 1_500);
  };
  return (
    <span class="command">
      <code>{line}</code>
      <button type="button" class="quiet" aria-label={`Copy ${line}`} onClick={() => void copy()}>
        {isCopied ? "copied" : "copy"}
      </button>
    </span>
  );
}

/** A button that asks, with the command line that does the same; nothing when the dashboard is read-only. */
export function ActButton(props: {
  request: ActRequest;
  label: string;
  /** Its name for a screen reader: with the thing that it acts on. */
  name: string;
  small?: boolean;
}): JSX.Element | null {
  const { request, label, name, small } = props;
  if (state.about?.readOnly !== false) return null;
  return (
    <button
      type="button"
      class={small === true ? "small" : ""}
      title={lineOf(commandOf(request))}
      aria-label={name}
      onClick={() => ask(request)}
    >
      {label}
    </button>
  );
}

/** The buttons of a service: each asks first, with the command line that does the same. */
export function Actions({
  service,
  small,
}: {
  service: ServiceView;
  small?: boolean;
}): JSX.Element | null {
  if (state.about?.readOnly !== false) return null;
  const { app, name, wanted, replicas, state: now } = service;
  const isDown = wanted === "down" || now === "completed" || now === "stopped";
  const isBroken = now === "failed" || now === "backoff";
  const button = (request: ActRequest, label: string): JSX.Element => (
    <ActButton request={request} label={label} name={`${label} ${name}`} small={small === true} />
  );
  const basic = { app, service: name } as const;
  return (
    <span class="actions">
      {(isDown || isBroken) && button({ ...basic, verb: "start" }, "Start")}
      {!isDown && !isBroken && button({ ...basic, verb: "reload" }, "Reload")}
      {!isDown && button({ ...basic, verb: "restart" }, "Restart")}
      {!isDown && button({ ...basic, verb: "stop" }, "Stop")}
      {!small && !isDown && button({ ...basic, verb: "scale", replicas }, "Scale")}
    </span>
  );
}

export function Empty({ children }: { children: ComponentChildren }): JSX.Element {
  return <p class="empty">{children}</p>;
}

/** A table that scrolls within itself on a narrow screen. */
export function Table(props: {
  caption: string;
  head: readonly string[];
  children: ComponentChildren;
}): JSX.Element {
  return (
    <div class="scroll" role="region" aria-label={props.caption} tabIndex={0}>
      <table>
        <caption class="hidden">{props.caption}</caption>
        <thead>
          <tr>
            {props.head.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </div>
  );
}
