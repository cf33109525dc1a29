import { useEffect, useState } from "preact/hooks";

import type { ServiceView, SupervisorEvent } from "../../supervisor/api.ts";
import type { About, Act, MessageName, Messages, PageLine, Point, Why } from "../messages.ts";

/** The connection to the server, as the page shows it. */
export type Connection = "connecting" | "live" | "lost" | "paused" | "signed out";

const POINTS = 90;
const EVENTS = 500;
/** More lines than a person scrolls through; older ones stay in `newel logs`. */
const LINES = 2_000;

/** Everything that the page shows; one object, changed by messages, read by all views. */
export interface State {
  connection: Connection;
  /** Why the server refused this browser. */
  refusal: { readonly message: string; readonly fix: string } | undefined;
  about: About | undefined;
  stream: string | undefined;
  isLoaded: boolean;
  supervised: boolean;
  readonly services: Map<string, ServiceView>;
  readonly points: Map<string, readonly Point[]>;
  why: Why | undefined;
  events: readonly SupervisorEvent[];
  acts: readonly Act[];
  detail: Messages["service"] | undefined;
  view: Messages["view"] | undefined;
  trouble: string;
  logs: {
    request: number;
    lines: readonly PageLine[];
    /** Lines that wait while the list is paused. */
    waiting: readonly PageLine[];
    skipped: number;
    isPaused: boolean;
    isLoaded: boolean;
  };
}

export const state: State = {
  connection: "connecting",
  refusal: undefined,
  about: undefined,
  stream: undefined,
  isLoaded: false,
  supervised: true,
  services: new Map(),
  points: new Map(),
  why: undefined,
  events: [],
  acts: [],
  detail: undefined,
  view: undefined,
  trouble: "",
  logs: { request: 0, lines: [], waiting: [], skipped: 0, isPaused: false, isLoaded: false },
};

const listeners = new Set<() => void>();

/** Draws every view again. */
export function changed(): void {
  for (const listener of listeners) listener();
}

/** The state; the component is drawn again with each change. */
export function useStore(): State {
  const [, draw] = useState(0);
  useEffect(() => {
    const listener = (): void => draw((count) => count + 1);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return state;
}

/** The time, every second. */
export function useNow(): number {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export function keyOf({ app, name }: ServiceView): string {
  return `${app}/${name}`;
}

const TAKERS: { readonly [Name in MessageName]: (data: Messages[Name]) => void } = {
  hello({ stream, about }) {
    state.stream = stream;
    state.about = about;
  },
  services: takeServices,
  why(why) {
    state.why = why;
  },
  events({ isAll, events }) {
    state.events = (isAll ? events : [...state.events, ...events]).slice(-EVENTS);
  },
  acts(acts) {
    state.acts = acts;
  },
  service(detail) {
    state.detail = detail;
  },
  logs: takeLogs,
  view(view) {
    state.view = view;
  },
  trouble({ text }) {
    state.trouble = text;
  },
};

/** Changes the state by a message of the server. */
export function take(name: string, data: unknown): void {
  if (!Object.hasOwn(TAKERS, name)) return;
  const taker = TAKERS[name as MessageName] as (data: unknown) => void;
  taker(data);
}

function takeServices({
  isAll,
  supervised,
  changed,
  removed,
  isTick,
  points,
}: Messages["services"]): void {
  state.supervised = supervised;
  state.isLoaded = true;
  if (isAll) {
    state.services.clear();
    state.points.clear();
    for (const [key, each] of Object.entries(points ?? {})) state.points.set(key, each);
  }
  for (const view of changed) state.services.set(keyOf(view), view);
  for (const key of removed) {
    state.services.delete(key);
    state.points.delete(key);
  }
  if (!isTick) return;
  for (const [key, view] of state.services) {
    const before = state.points.get(key) ?? [];
    state.points.set(key, [...before, pointOf(view)].slice(-POINTS));
  }
}

export function pointOf({ processes }: ServiceView): Point {
  let [cpu, memory] = [0, 0];
  for (const { cpuPercent = 0, memoryBytes = 0 } of processes) {
    cpu += cpuPercent;
    memory += memoryBytes;
  }
  return [cpu, memory];
}

function takeLogs({ request, lines, skipped, isFirst }: Messages["logs"]): void {
  const { logs } = state;
  if (request !== logs.request) return;
  if (isFirst === true) Object.assign(logs, { lines: [], waiting: [], skipped: 0 });
  logs.isLoaded = true;
  logs.skipped += skipped;
  if (logs.isPaused) logs.waiting = [...logs.waiting, ...lines].slice(-LINES);
  else logs.lines = [...logs.lines, ...lines].slice(-LINES);
}

/** Begins another list of lines; answers to the former request are dropped. */
export function restartLogs(): number {
  const request = state.logs.request + 1;
  state.logs = { request, lines: [], waiting: [], skipped: 0, isPaused: false, isLoaded: false };
  return request;
}

export function pauseLogs(isPaused: boolean): void {
  const { logs } = state;
  logs.isPaused = isPaused;
  if (!isPaused) {
    logs.lines = [...logs.lines, ...logs.waiting].slice(-LINES);
    logs.waiting = [];
  }
  changed();
}
