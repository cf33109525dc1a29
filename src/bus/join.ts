import type { Bus } from "./bus.ts";
import type { LogEntry, LogLevel } from "./log.ts";
import { BUS_STATES, type BusState } from "./states.ts";

/** What two joined buses say to each other, over the IPC channel of a child process. */
export type JoinMessage =
  | { readonly say: "state"; readonly state: BusState }
  | { readonly say: "log"; readonly entry: WireEntry }
  | { readonly say: "publish"; readonly channel: string; readonly args: readonly unknown[] }
  | { readonly say: "graceful" }
  | { readonly say: "exit" };

/** A log entry without its error, whose stack is in the message anyway. */
type WireEntry = Omit<LogEntry, "error">;

/** The end of a joined pair that is on this side. */
export interface Link {
  send(message: JoinMessage): void;
}

/**
 * Makes channels reach across: what is published here is published there. What came from there is
 * not sent back.
 *
 * @returns `deliver` publishes here what was published there; `off` ends the forwarding
 */
export function forwardChannels(
  bus: Bus,
  channels: readonly string[],
  link: Link,
): { deliver: (channel: string, args: readonly unknown[]) => void; off: () => void } {
  let delivered: string | undefined;
  const offs = channels.map((channel) =>
    bus.subscribe(
      channel,
      (...args: readonly unknown[]) => {
        if (delivered === channel) delivered = undefined;
        else link.send({ say: "publish", channel, args });
      },
      // Before every other listener, since those may publish in turn.
      { name: "joined bus", priority: -Infinity },
    ),
  );
  return {
    deliver: (channel, args) => {
      // A peer that publishes on channels nobody agreed on is not listened to.
      if (!channels.includes(channel)) return;
      delivered = channel;
      try {
        bus.publish(channel, ...args);
      } catch (error) {
        bus.log(`What the joined bus published on "${channel}" met a failure.`, "error", error);
      }
    },
    off: () => {
      for (const off of offs) off();
    },
  };
}

const LEVELS: readonly unknown[] = ["debug", "info", "warn", "error"] satisfies LogLevel[];

/** Reads a message of the other side; `undefined` for what is none: programs may send their own. */
export function parseJoinMessage(value: unknown): JoinMessage | undefined {
  if (typeof value !== "object" || value === null || !("newelBus" in value)) return undefined;
  const message: unknown = value.newelBus;
  if (typeof message !== "object" || message === null || !("say" in message)) return undefined;
  switch (message.say) {
    case "exit":
    case "graceful":
      return { say: message.say };
    case "state":
      return "state" in message && isState(message.state)
        ? { say: "state", state: message.state }
        : undefined;
    case "log":
      return "entry" in message ? parseEntry(message.entry) : undefined;
    case "publish":
      return "channel" in message &&
        typeof message.channel === "string" &&
        "args" in message &&
        Array.isArray(message.args)
        ? { say: "publish", channel: message.channel, args: message.args as unknown[] }
        : undefined;
    default:
      return undefined;
  }
}

/** The envelope that tells our messages from the program's own. */
export function wrapJoinMessage(message: JoinMessage): object {
  return { newelBus: message };
}

function isState(value: unknown): value is BusState {
  return BUS_STATES.some((state) => state === value);
}

function parseEntry(value: unknown): JoinMessage | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { timeMs, level, message, bus, pid } = value as Record<string, unknown>;
  if (typeof timeMs !== "number" || typeof message !== "string" || typeof bus !== "string")
    return undefined;
  if (typeof pid !== "number" || !LEVELS.includes(level)) return undefined;
  return { say: "log", entry: { timeMs, level: level as LogLevel, message, bus, pid } };
}
