import type { Bus } from "../bus.ts";
import { forwardChannels, type JoinMessage, parseJoinMessage, wrapJoinMessage } from "../join.ts";
import { BUS_STATES } from "../states.ts";

export interface ParentOptions {
  /** Channels that reach across, both ways: those the parent named in `startChild`. */
  readonly channels?: readonly string[];
}

/**
 * Joins the bus of a child process to the bus of the parent that started it with `startChild`. The
 * parent's stop ends this process, and so does the parent's death; what is logged here comes out
 * there. Ctrl-C reaches both at once: leave it to the parent with
 * `signals(bus, { map: { SIGINT: 'ignore' } })`.
 *
 * @returns whether there is a parent; without one the program runs alone
 */
export function joinParent(bus: Bus, options: ParentOptions = {}): boolean {
  if (process.send === undefined) return false;
  const link = { send: sendUp };
  const channels = forwardChannels(bus, options.channels ?? [], link);
  const name = "parent";
  for (const state of BUS_STATES)
    bus.subscribe(state, () => link.send({ say: "state", state }), { name });
  bus.subscribe("log", ({ error: _inTheMessage, ...entry }) => link.send({ say: "log", entry }), {
    name,
  });
  const heard = (value: unknown): void => {
    const message = parseJoinMessage(value);
    if (message?.say === "exit") void bus.exit(0);
    else if (message?.say === "graceful") void tryGraceful(bus);
    else if (message?.say === "publish") channels.deliver(message.channel, message.args);
  };
  const orphaned = (): void => {
    bus.log("The parent process is gone; exiting", "warn");
    void bus.exit(0);
  };
  process.on("message", heard);
  process.once("disconnect", orphaned);
  bus.subscribe(
    "exited",
    () => {
      process.off("message", heard);
      process.off("disconnect", orphaned);
      // From now on the channel is nothing to stay for, once the last word is through.
      process.channel?.unref();
    },
    { name, priority: 100 },
  );
  return true;
}

function sendUp(message: JoinMessage): void {
  if (!process.connected) return;
  // A parent that went away is noticed by the disconnect; what it did not hear is lost with it.
  process.send?.(wrapJoinMessage(message), undefined, {}, () => undefined);
}

async function tryGraceful(bus: Bus): Promise<void> {
  try {
    await bus.graceful();
  } catch (error) {
    bus.log("The parent's graceful could not be followed.", "error", error);
  }
}
