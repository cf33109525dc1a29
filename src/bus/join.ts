import { BUS_STATES, type BusState } from "./lifecycle/states.ts";
import type { LogEntry, LogLevel } from "./log.ts";

/** The messages between two joined buses, over the IPC channel of a child process. */
export type JoinMessage =
  | { readonly say: "state"; readonly state: BusState }
  | { readonly say: "log"; readonly entry: WireEntry }
  /** The arguments of a publish, as `encodeText` of the wire writes them. */
  | { readonly say: "publish"; readonly channel: string; readonly text: string }
  /** The total number of publishes of the other side that have been handled. */
  | { readonly say: "handled"; readonly count: number }
  | { readonly say: "graceful" }
  | { readonly say: "exit" }
  /** The child got a signal that requests the exit; the parent answers with `exit` or `wait`. */
  | { readonly say: "signal"; readonly signal: string }
  /** The parent's own stop will end the child. */
  | { readonly say: "wait" };

/** The actions of one side for the messages of the other side; other kinds are ignored. */
export type JoinActions = {
  readonly [Say in JoinMessage["say"]]?: (
    message: Extract<JoinMessage, { readonly say: Say }>,
  ) => void;
};

/** Carries out the action for a message of the other side, if it is one of these messages. */
export function hearJoinMessage(value: unknown, actions: JoinActions): void {
  const message = parseJoinMessage(value);
  if (message === undefined) return;
  const act = actions[message.say] as ((heard: JoinMessage) => void) | undefined;
  act?.(message);
}

/** A log entry without its error, whose stack is in the message. */
type WireEntry = Omit<LogEntry, "error">;

/** The parent of a joined child, for a signal that requests the child's exit. */
interface Parent {
  /** Leaves the decision to the parent, whose stop ends this process. */
  leaveTo(signal: string): void;
}

const parents = new WeakMap<object, Parent>();

/** Records that a bus is joined to a parent, until the returned function is called. */
export function joinedTo(bus: object, parent: Parent): () => void {
  parents.set(bus, parent);
  return () => void parents.delete(bus);
}

/** The parent that a bus is joined to. */
export function parentOf(bus: object): Parent | undefined {
  return parents.get(bus);
}

const signalled = new WeakSet<object>();

/** Records that a signal has requested the exit of this bus, which follows. */
export function noteExitSignal(bus: object): void {
  signalled.add(bus);
}

/** Whether a signal has requested the exit of this bus. */
export function hasExitSignal(bus: object): boolean {
  return signalled.has(bus);
}

const LEVELS: readonly unknown[] = ["debug", "info", "warn", "error"] satisfies LogLevel[];

/**
 * Reads a message of the other side; `undefined` for any other message: programs may send their
 * own.
 */
export function parseJoinMessage(value: unknown): JoinMessage | undefined {
  if (typeof value !== "object" || value === null || !("newelBus" in value)) return undefined;
  const message: unknown = value.newelBus;
  if (typeof message !== "object" || message === null) return undefined;
  const { say, state, entry, channel, text, count, signal } = message as Record<string, unknown>;
  switch (say) {
    case "exit":
    case "graceful":
    case "wait":
      return { say };
    case "state":
      return isState(state) ? { say, state } : undefined;
    case "log":
      return parseEntry(entry);
    case "publish":
      return typeof channel === "string" && typeof text === "string"
        ? { say, channel, text }
        : undefined;
    case "handled":
      return isCount(count) ? { say, count } : undefined;
    case "signal":
      return typeof signal === "string" ? { say, signal } : undefined;
    default:
      return undefined;
  }
}

/** The envelope that distinguishes these messages from those of the program. */
export function wrapJoinMessage(message: JoinMessage): object {
  return { newelBus: message };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** The last time that a Date can have, in milliseconds since the epoch. */
const LAST_DATE_MS = 8.64e15;

function isState(value: unknown): value is BusState {
  return BUS_STATES.some((state) => state === value);
}

function parseEntry(value: unknown): JoinMessage | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { timeMs, level, message, bus, pid } = value as Record<string, unknown>;
  // A listener that shows a time that no Date has would fail.
  if (typeof timeMs !== "number" || !(Math.abs(timeMs) <= LAST_DATE_MS)) return undefined;
  if (typeof message !== "string" || typeof bus !== "string") return undefined;
  if (typeof pid !== "number" || !LEVELS.includes(level)) return undefined;
  return { say: "log", entry: { timeMs, level: level as LogLevel, message, bus, pid } };
}
