import type { Bus } from "../bus.ts";
import {
  hearJoinMessage,
  type JoinActions,
  type JoinMessage,
  joinedTo,
  wrapJoinMessage,
} from "../join.ts";
import { JoinedChannels } from "../joined-channels.ts";
import { BUS_STATES } from "../lifecycle/states.ts";

/** Options of `joinParent`. */
export interface ParentOptions {
  /** The shared channels, in both directions: those that the parent named in `startChild`. */
  readonly channels?: readonly string[];
}

/**
 * A parent that has not answered after this time does not delay the action of a signal further, in
 * milliseconds.
 */
const ANSWER_MS = 10_000;
const ENDING_SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/**
 * Joins the bus of a child process to the bus of the parent that started it with `startChild`. The parent's
 * Joins the bus of a child process to the bus of the parent that started it with `startChild`. The
 * parent's stop ends this process, after it has handled the messages that were published to it. The
 * parent's death ends it, too. Entries of its log appear in the parent's.
 * A SIGTERM, SIGINT or SIGHUP usually reaches the whole process group, so this process leaves it to the
 * parent: when the parent is not stopping a second later, it has this process exit alone.
 *
 * @returns whether there is a parent; without one the program runs alone
 */
export function joinParent(bus: Bus, options: ParentOptions = {}): boolean {
  if (process.send === undefined) return false;
  const end = new ParentEnd(bus, options.channels ?? []);
  end.join();
  return true;
}

class ParentEnd {
  readonly name = "the parent process";
  readonly #bus: Bus;
  readonly #channels: JoinedChannels;
  #sending = 0;
  #sent: (() => void) | undefined;
  #answer: NodeJS.Timeout | undefined;

  constructor(bus: Bus, channels: readonly string[]) {
    this.#bus = bus;
    this.#channels = new JoinedChannels(bus, channels, this);
  }

  get isUp(): boolean {
    return process.connected;
  }

  send(message: JoinMessage): void {
    if (!this.isUp) return;
    this.#sending += 1;
    // The disconnect reports a parent that is gone.
    process.send?.(wrapJoinMessage(message), undefined, {}, () => {
      this.#sending -= 1;
      if (this.#sending === 0) this.#sent?.();
    });
  }

  join(): void {
    const bus = this.#bus;
    const name = "parent";
    const leave = joinedTo(bus, { leaveTo: (signal) => this.#leaveTo(signal) });
    const actions = this.#actions();
    const heard = (value: unknown): void => hearJoinMessage(value, actions);
    const orphaned = (): void => this.#orphaned();
    const signalled = ENDING_SIGNALS.map((signal) => {
      // If the program or `signals(bus)` has handlers for the signal, only these handlers act on it.
      const handler = (): void => {
        if (process.listenerCount(signal) === 1) this.#leaveTo(signal);
      };
      process.on(signal, handler);
      return () => process.off(signal, handler);
    });
    for (const state of BUS_STATES)
      bus.subscribe(state, () => this.send({ say: "state", state }), { name });
    bus.subscribe("log", ({ error: _inMessage, ...entry }) => this.send({ say: "log", entry }), {
      name,
    });
    const loaded = this.#channels.load();
    bus.subscribe("start", () => loaded, { name, priority: -Infinity });
    bus.subscribe("stop", () => this.#channels.handled(), { name, priority: 0 });
    process.on("message", heard);
    process.once("disconnect", orphaned);
    const exited = (): void => {
      process.off("message", heard);
      process.off("disconnect", orphaned);
      for (const off of signalled) off();
      clearTimeout(this.#answer);
      leave();
      this.#channels.report();
      this.#channels.off();
      if (this.#sending > 0) bus.keep("messages to the parent process", this.#allSent());
      // From now on the channel does not keep the process alive.
      process.channel?.unref();
    };
    bus.subscribe("exited", exited, { name, priority: 100 });
  }

  #actions(): JoinActions {
    return {
      ...this.#channels.actions,
      exit: () => void this.#bus.exit(0),
      graceful: () => void this.#graceful(),
      wait: () => clearTimeout(this.#answer),
    };
  }

  #leaveTo(signal: string): void {
    if (!this.isUp || this.#bus.exiting) {
      void this.#bus.exit(0);
      return;
    }
    this.#bus.log(`${signal} is left to the parent process`, "debug");
    this.send({ say: "signal", signal });
    clearTimeout(this.#answer);
    this.#answer = setTimeout(() => {
      this.#bus.log(`The parent process has not answered for ${ANSWER_MS} ms; exiting`, "warn");
      void this.#bus.exit(0);
    }, ANSWER_MS).unref();
  }

  #orphaned(): void {
    this.#bus.log("The parent process is gone; exiting", "warn");
    this.#channels.ended();
    void this.#bus.exit(0);
  }

  #allSent(): Promise<void> {
    return new Promise((resolve) => {
      this.#sent = resolve;
    });
  }

  async #graceful(): Promise<void> {
    try {
      await this.#bus.graceful();
    } catch (error) {
      this.#bus.log("The parent's graceful could not be followed.", "error", error);
    }
  }
}
