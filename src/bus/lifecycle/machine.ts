import { nextState } from "../../base/machine.ts";
import type { LifecycleName } from "../channels.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { type BusEvent, type BusState, canBecome, TRANSITIONS } from "./states.ts";

/**
 * The lifecycle of a bus as a pure state machine. Calls and listeners only change the wanted part
 * of a {@link Life}; only {@link nextAction} decides the next action, and one driver carries it
 * out. So there is one shutdown, regardless of the number, origin and state of the requests.
 *
 * | state | next action |
 * |---|---|
 * | `idle` | stop if wanted; exit once the stop of the shutdown has run; start if wanted |
 * | `starting` | run `start`, then started or failed; stop as soon as a stop or exit is wanted |
 * | `started` | stop if a stop or exit is wanted, else run `restart`, else run `graceful` |
 * | `stopping` | run `stop`, then idle or failed |
 * | `failed` | stop if wanted; exit once the stop of the shutdown has run |
 * | `exiting` | run `exit`, then exited |
 */
export interface Life {
  readonly state: BusState;
  /** Calls that were accepted and not carried out yet. */
  readonly wanted: Wanted;
  /** The lifecycle channel whose listeners run. No other action happens until they have ended. */
  readonly running: LifecycleName | undefined;
  /** The outcome of this state's listeners; `undefined` until they have ended. */
  readonly ran: "ok" | "failed" | undefined;
  /** The stop listeners of the shutdown have run. */
  readonly hasStopped: boolean;
  /** Whether the shutdown is part of a restart into a new image of the program. */
  readonly restarting: boolean;
  /** The requested exit code. */
  readonly code: number | undefined;
}

interface Wanted {
  readonly start: boolean;
  readonly stop: boolean;
  readonly restart: boolean;
  readonly gracefuls: number;
  /** Never reset. */
  readonly exit: boolean;
}

/** The calls that drive a bus. */
export type Command = "start" | "stop" | "graceful" | "restart" | "exit";

/** The events that change a life. */
export type LifeEvent =
  | { readonly on: "asked"; readonly command: Exclude<Command, "exit"> }
  | { readonly on: "asked"; readonly command: "exit"; readonly code?: number | undefined }
  | { readonly on: "began"; readonly step: LifecycleName }
  | { readonly on: "ended"; readonly step: LifecycleName; readonly failed: boolean }
  | { readonly on: "moved"; readonly event: BusEvent };

/** The next action of the driver. */
export type Action =
  | { readonly do: "move"; readonly event: BusEvent }
  | { readonly do: "run"; readonly step: LifecycleName };

const LARGEST_CODE = 255;

const NOTHING_WANTED: Wanted = {
  start: false,
  stop: false,
  restart: false,
  gracefuls: 0,
  exit: false,
};

/** The life of a new bus. */
export const NEW_LIFE: Life = {
  state: "idle",
  wanted: NOTHING_WANTED,
  running: undefined,
  ran: undefined,
  hasStopped: false,
  restarting: false,
  code: undefined,
};

/** The answer of a bus to a call: `refused`, `accepted`, or `done` when there is nothing to do. */
export function answerTo(life: Life, command: Command): "refused" | "accepted" | "done" {
  const { state, wanted } = life;
  switch (command) {
    case "exit":
      return state === "exited" ? "done" : "accepted";
    case "start":
      if (state === "started") return "done";
      if (state === "starting") return "accepted";
      return state === "idle" && !wanted.exit && !wanted.stop ? "accepted" : "refused";
    case "stop":
      return isBehindStop(life) ? "refused" : "accepted";
    case "graceful":
    case "restart":
      return isWorking(life) ? "accepted" : "refused";
  }
}

/**
 * Whether a call interrupts the running listeners, because its effect cannot wait for all of them.
 */
export function breaksOff({ running }: Life, command: Command): boolean {
  if (command !== "stop" && command !== "exit") return false;
  return running === "start" || running === "restart" || running === "graceful";
}

/** The life after an event. */
export function after(life: Life, event: LifeEvent): Life {
  switch (event.on) {
    case "asked":
      return event.command === "exit"
        ? askExit(life, event.code)
        : { ...life, wanted: want(life, event.command) };
    case "began":
      return { ...life, running: event.step };
    case "ended":
      return ended(life, event);
    case "moved":
      return moved(life, event.event);
  }
}

/** The next action; `undefined` while listeners run and when there is nothing to do. */
export function nextAction(life: Life): Action | undefined {
  const { state, wanted, ran } = life;
  if (life.running !== undefined) return undefined;
  const leaves = wanted.stop || wanted.exit;
  switch (state) {
    case "idle":
    case "failed":
      if (wanted.stop || (wanted.exit && !life.hasStopped)) return { do: "move", event: "stop" };
      if (wanted.exit) return { do: "move", event: "exit" };
      return wanted.start ? { do: "move", event: "start" } : undefined;
    case "starting":
      if (leaves) return { do: "move", event: "stop" };
      if (ran === undefined) return { do: "run", step: "start" };
      return { do: "move", event: ran === "ok" ? "started" : "fail" };
    case "started":
      if (leaves) return { do: "move", event: "stop" };
      if (wanted.restart) return { do: "run", step: "restart" };
      return wanted.gracefuls > 0 ? { do: "run", step: "graceful" } : undefined;
    case "stopping":
      if (ran === undefined) return { do: "run", step: "stop" };
      return { do: "move", event: ran === "ok" ? "stopped" : "fail" };
    case "exiting":
      return ran === undefined ? { do: "run", step: "exit" } : { do: "move", event: "exited" };
    case "exited":
      return undefined;
  }
}

/** Whether a bus with this life can still enter a state. */
export function canEnter(life: Life, state: BusState): boolean {
  if (!life.wanted.exit) return canBecome(life.state, state);
  if (life.state === "exited") return false;
  if (state === "exited") return true;
  if (life.state === "exiting") return false;
  if (state === "exiting") return true;
  if (life.state === "stopping") return state === "idle" || state === "failed";
  return !life.hasStopped && (state === "stopping" || state === "idle" || state === "failed");
}

/** Started, and no end was requested. */
export function isWorking({ state, wanted }: Life): boolean {
  return state === "started" && !wanted.stop && !wanted.exit;
}

function isBehindStop({ state, wanted, hasStopped }: Life): boolean {
  return state === "exiting" || state === "exited" || (wanted.exit && hasStopped);
}

function want({ state, wanted }: Life, command: Exclude<Command, "exit">): Wanted {
  switch (command) {
    case "start":
      return { ...wanted, start: wanted.start || state === "idle" };
    case "stop":
      return { ...wanted, start: false, stop: wanted.stop || state !== "stopping" };
    case "restart":
      return { ...wanted, restart: true };
    case "graceful":
      return { ...wanted, gracefuls: wanted.gracefuls + 1 };
  }
}

/** An exit requested by the program itself: the process ends, even if a restart was under way. */
function askExit(life: Life, code: number | undefined): Life {
  if (life.state === "exited")
    return { ...life, restarting: false, code: laterCode(life.code, code) };
  const asked = code ?? (life.state === "starting" ? EXIT_CODES.listenerFailed : undefined);
  return {
    ...life,
    wanted: { ...life.wanted, start: false, exit: true },
    restarting: false,
    code: laterCode(life.code, asked),
  };
}

/** The first code other than 0 stays: a later code does not hide it. */
function laterCode(present: number | undefined, asked: number | undefined): number | undefined {
  if ((present ?? EXIT_CODES.ok) !== EXIT_CODES.ok || asked === undefined) return present;
  // The system keeps eight bits of a code: 256 would end as 0.
  const isCode = Number.isInteger(asked) && asked >= 0 && asked <= LARGEST_CODE;
  return isCode ? asked : EXIT_CODES.listenerFailed;
}

function ended(life: Life, event: Extract<LifeEvent, { on: "ended" }>): Life {
  const { step, failed } = event;
  const { wanted } = life;
  const rest = { ...life, running: undefined };
  switch (step) {
    case "start":
    case "exit":
      return { ...rest, ran: failed ? "failed" : "ok" };
    case "stop":
      return { ...rest, ran: failed ? "failed" : "ok", hasStopped: wanted.exit };
    case "graceful":
      return { ...rest, wanted: { ...wanted, gracefuls: wanted.gracefuls - 1 } };
    case "restart": {
      const leaves = !failed && !wanted.stop && !wanted.exit;
      return {
        ...rest,
        restarting: leaves,
        wanted: { ...wanted, restart: false, exit: wanted.exit || leaves },
      };
    }
  }
}

function moved(life: Life, event: BusEvent): Life {
  const state = nextState(TRANSITIONS, life.state, event) ?? life.state;
  // A start that failed causes a shutdown.
  const exit = life.wanted.exit || (event === "fail" && life.state === "starting");
  const wanted =
    event === "stop"
      ? { ...NOTHING_WANTED, exit }
      : { ...life.wanted, exit, start: life.wanted.start && event !== "start" };
  return { ...life, state, wanted, ran: undefined };
}
