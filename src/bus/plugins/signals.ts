import { constants } from "node:os";
import { isatty } from "node:tty";

import { newelError } from "../../base/errors.ts";
import type { Bus } from "../bus.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { ChannelFailures } from "../failures.ts";
import { leave } from "../output.ts";

/**
 * What a signal leads to. `hangup` restarts a program that can restart and has no terminal (a
 * daemon), and ends any other. A function is called with the signal's name.
 */
export type SignalAction =
  | "exit"
  | "restart"
  | "graceful"
  | "hangup"
  | "ignore"
  | ((name: string) => unknown);

export interface SignalOptions {
  /**
   * What each signal does. Signals this platform does not know are skipped with a line in the log.
   * Default: SIGTERM and SIGINT exit, SIGHUP is a hangup, SIGUSR2 is graceful; a map adds to these.
   */
  readonly map?: Readonly<Record<string, SignalAction>>;
  /** The whole shutdown may take this long, in milliseconds, before the process is ended. Default 30,000. */
  readonly deadlineMs?: number;
  /** After the shutdown something may still hold the process: it is named, and ended after this many milliseconds. Default 1,000. */
  readonly lingerMs?: number;
}

/** The signals a bus listens to. */
export interface Signals extends Disposable {
  /**
   * Gives a signal another action.
   *
   * @throws NEWEL_E_BUS_SIGNAL when there is no such signal
   */
  setHandler(signal: string | number, action: SignalAction): void;
  /** Takes all handlers off: the program's own ones, and the default actions, count again. */
  unsubscribe(): void;
}

const DEFAULT_MAP: Readonly<Record<string, SignalAction>> = {
  SIGTERM: "exit",
  SIGINT: "exit",
  SIGHUP: "hangup",
  SIGUSR2: "graceful",
};
const DEFAULT_DEADLINE_MS = 30_000;
const DEFAULT_LINGER_MS = 1_000;
/** A forced end does not wait long for a reader of its last words. */
const FORCED_FLUSH_MS = 1_000;

/**
 * Lets signals drive a bus. Each signal is logged and published on the channel of its name
 * (`SIGTERM`), then acted on. While the bus shuts down, the next signal that asks for the exit is
 * reported with what is being waited for, and the third ends the process; so does the deadline.
 *
 * @example
 * signals(bus, { map: { SIGUSR1: 'graceful', SIGHUP: 'ignore' } });
 */
export function signals(bus: Bus, options: SignalOptions = {}): Signals {
  const handlers = new SignalHandlers(bus, options);
  for (const [name, action] of Object.entries({ ...DEFAULT_MAP, ...options.map }))
    handlers.trySet(name, action);
  return handlers;
}

class SignalHandlers implements Signals {
  readonly #bus: Bus;
  readonly #options: SignalOptions;
  readonly #handlers = new Map<NodeJS.Signals, () => void>();
  readonly #offBus: (() => void)[];
  #exitsAsked = 0;
  #deadline: NodeJS.Timeout | undefined;

  constructor(bus: Bus, options: SignalOptions) {
    this.#bus = bus;
    this.#options = options;
    const name = "signals";
    this.#offBus = [
      bus.subscribe("stopping", () => this.#startDeadline(), { name }),
      bus.subscribe("exiting", () => this.#startDeadline(), { name }),
      bus.subscribe("exited", () => this.#linger(), { name }),
    ];
  }

  /** As setHandler, but an unknown signal is skipped. */
  trySet(name: string, action: SignalAction): void {
    if (signalName(name) === undefined) this.#bus.log(`There is no signal ${name} here: skipped.`);
    else this.setHandler(name, action);
  }

  setHandler(signal: string | number, action: SignalAction): void {
    const name = signalName(signal);
    if (name === undefined) throw newelError("NEWEL_E_BUS_SIGNAL", { signal: String(signal) });
    const previous = this.#handlers.get(name);
    const handler = (): void => void this.#received(name, action);
    process.on(name, handler);
    if (previous !== undefined) process.off(name, previous);
    this.#handlers.set(name, handler);
    this.#bus.log(`Listening for ${name}`, "debug");
  }

  unsubscribe(): void {
    for (const [name, handler] of this.#handlers) {
      // Without any listener SIGUSR1 would kill the process: Node gives it back to the system, not
      // to its inspector.
      if (name === "SIGUSR1" && process.listenerCount(name) === 1)
        process.on(name, () => undefined);
      process.off(name, handler);
    }
    this.#handlers.clear();
    for (const off of this.#offBus) off();
    clearTimeout(this.#deadline);
  }

  [Symbol.dispose](): void {
    this.unsubscribe();
  }

  async #received(name: NodeJS.Signals, action: SignalAction): Promise<void> {
    this.#bus.log(`Caught signal ${name}`);
    try {
      await this.#bus.publishAsync(name);
      await this.#act(name, action);
    } catch (error) {
      // The failures of a channel stand in the log already, each with its stack.
      if (error instanceof ChannelFailures) return;
      this.#bus.log(`The signal ${name} could not be acted on.`, "error", error);
    }
  }

  async #act(name: NodeJS.Signals, action: SignalAction): Promise<void> {
    if (typeof action === "function") {
      await action(name);
      return;
    }
    switch (action) {
      case "exit":
        this.#exit(name);
        break;
      case "restart":
        await this.#bus.restart();
        break;
      case "graceful":
        await this.#bus.graceful();
        break;
      case "hangup":
        if (this.#bus.canRestart && !isatty(0)) await this.#bus.restart();
        else this.#exit(name);
        break;
      case "ignore":
        break;
    }
  }

  #exit(name: NodeJS.Signals): void {
    this.#exitsAsked += 1;
    if (!this.#bus.exiting || this.#exitsAsked === 1) {
      void this.#bus.exit(EXIT_CODES.ok);
    } else if (this.#exitsAsked === 2) {
      const running = this.#bus.running ?? "what still holds the process";
      this.#bus.log(
        `${name} again: still shutting down, waiting for ${running}. One more ends the process at once.`,
        "warn",
      );
    } else {
      this.#force(EXIT_CODES.forcedBySignal + constants.signals[name], `a third signal (${name})`);
    }
  }

  #startDeadline(): void {
    if (!this.#bus.exiting || this.#deadline !== undefined) return;
    const deadlineMs = this.#options.deadlineMs ?? DEFAULT_DEADLINE_MS;
    const late = (): void => this.#force(EXIT_CODES.deadline, `the deadline of ${deadlineMs} ms`);
    this.#deadline = setTimeout(late, deadlineMs);
    this.#deadline.unref();
  }

  #linger(): void {
    if (this.#bus.restarting) return;
    if (this.#bus.exitCode !== EXIT_CODES.ok) process.exitCode = this.#bus.exitCode;
    const lingerMs = this.#options.lingerMs ?? DEFAULT_LINGER_MS;
    setTimeout(() => {
      if (this.#bus.tasks.length > 0) this.#linger();
      else this.#leaveAnyway();
    }, lingerMs).unref();
  }

  #leaveAnyway(): void {
    const open = process.getActiveResourcesInfo().filter((name) => !/^(TTY|Pipe)Wrap$/.test(name));
    this.#bus.log(`Leaving, although the process is still held by: ${open.join(", ")}.`, "warn");
    void leave(process.exitCode === undefined ? this.#bus.exitCode : Number(process.exitCode));
  }

  #force(code: number, why: string): void {
    const running = this.#bus.running ?? "nothing of the bus";
    this.#bus.log(`Ended by ${why} while waiting for ${running}.`, "error");
    void leave(code, FORCED_FLUSH_MS);
  }
}

function signalName(signal: string | number): NodeJS.Signals | undefined {
  const known = Object.entries(constants.signals);
  const found = known.find(([name, number]) => name === signal || number === signal)?.[0];
  return found as NodeJS.Signals | undefined;
}
