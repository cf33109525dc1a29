import { arrange, nameOf, type Row, SORT_KEYS, type SortKey } from "./rows.ts";

/** A verb that `newel top` carries out on one service. */
export type TopVerb = "restart" | "stop";

/** The view that the operator has chosen. A change is a new object. */
export interface TopState {
  readonly sort: SortKey;
  readonly filter: string;
  readonly by: "service" | "replica";
  /** The name of the selected row; the first row where none has that name. */
  readonly selected: string | undefined;
  /** `filter`: keys are typed into the filter. `confirm`: the next key answers the question. */
  readonly mode: "table" | "filter" | "confirm" | "help";
  readonly question?: { readonly verb: TopVerb; readonly app: string; readonly service: string };
}

/** A key as node:readline reports it. */
export interface Key {
  /** `q`, `up`, `return`; missing for some characters. */
  readonly name?: string | undefined;
  /** The characters that the terminal sent. */
  readonly sequence?: string | undefined;
  readonly ctrl?: boolean | undefined;
  readonly meta?: boolean | undefined;
}

/** The effect of a key besides a change of the view. */
type Request = "quit" | "suspend" | { readonly verb: TopVerb; readonly target: string };

export interface Pressed {
  readonly state: TopState;
  readonly request?: Request;
}

const TYPED = /^[^\p{Cc}]+$/u;

/** The state after a key; `rows` are all rows of the moment. */
export function press(state: TopState, key: Key, rows: readonly Row[]): Pressed {
  if (key.ctrl === true && (key.name === "c" || key.name === "d"))
    return { state, request: "quit" };
  if (key.ctrl === true && key.name === "z") return { state, request: "suspend" };
  switch (state.mode) {
    case "filter":
      return { state: typeFilter(state, key) };
    case "confirm":
      return answer(state, key);
    case "help":
      return { state: { ...state, mode: "table" } };
    case "table":
      return command(state, key, rows);
  }
}

type Reaction = (state: TopState, shown: readonly Row[]) => TopState;

/** The keys of the table, by their characters or their names. */
const REACTIONS: Readonly<Record<string, Reaction>> = {
  "/": (state) => ({ ...state, mode: "filter" }),
  "?": (state) => ({ ...state, mode: "help" }),
  h: (state) => ({ ...state, mode: "help" }),
  s: (state) => ({ ...state, sort: after(state.sort) }),
  a: (state) => ({ ...state, by: state.by === "service" ? "replica" : "service" }),
  r: (state, shown) => ask(state, "restart", shown),
  x: (state, shown) => ask(state, "stop", shown),
  j: (state, shown) => move(state, 1, shown),
  k: (state, shown) => move(state, -1, shown),
  down: (state, shown) => move(state, 1, shown),
  up: (state, shown) => move(state, -1, shown),
  pagedown: (state, shown) => move(state, 10, shown),
  pageup: (state, shown) => move(state, -10, shown),
  home: (state, shown) => move(state, -Infinity, shown),
  end: (state, shown) => move(state, Infinity, shown),
  escape: (state) => ({ ...state, filter: "" }),
};

function command(
  state: TopState,
  { sequence = "", name = "" }: Key,
  rows: readonly Row[],
): Pressed {
  if (sequence === "q") return { state, request: "quit" };
  const word = [sequence, name].find((each) => Object.hasOwn(REACTIONS, each));
  const reaction = word === undefined ? undefined : REACTIONS[word];
  const shown = arrange(rows, state.sort, state.filter);
  return { state: reaction?.(state, shown) ?? state };
}

function typeFilter(state: TopState, key: Key): TopState {
  if (key.name === "return" || key.name === "enter") return { ...state, mode: "table" };
  if (key.name === "escape") return { ...state, mode: "table", filter: "" };
  if (key.name === "backspace")
    return { ...state, filter: Array.from(state.filter).slice(0, -1).join("") };
  const { sequence = "" } = key;
  const isTyped = key.ctrl !== true && key.meta !== true && TYPED.test(sequence);
  return isTyped ? { ...state, filter: state.filter + sequence } : state;
}

/** Only `y` confirms: every other key leaves the service alone. */
function answer(state: TopState, { sequence }: Key): Pressed {
  const { question, ...rest } = state;
  const next: TopState = { ...rest, mode: "table" };
  if (sequence !== "y" || question === undefined) return { state: next };
  const { verb, app, service } = question;
  return { state: next, request: { verb, target: `${app}/${service}` } };
}

function ask(state: TopState, verb: TopVerb, shown: readonly Row[]): TopState {
  const row = shown[selectedIndex(state, shown)];
  if (row === undefined) return state;
  return { ...state, mode: "confirm", question: { verb, app: row.app, service: row.service } };
}

function move(state: TopState, by: number, shown: readonly Row[]): TopState {
  const index = Math.max(0, Math.min(shown.length - 1, selectedIndex(state, shown) + by));
  const row = shown[index];
  return row === undefined ? state : { ...state, selected: nameOf(row) };
}

/** The position of the selected row among those that are shown. */
export function selectedIndex({ selected }: TopState, shown: readonly Row[]): number {
  const index = shown.findIndex((row) => nameOf(row) === selected);
  return Math.max(0, index);
}

function after(sort: SortKey): SortKey {
  return SORT_KEYS[(SORT_KEYS.indexOf(sort) + 1) % SORT_KEYS.length] ?? "name";
}
