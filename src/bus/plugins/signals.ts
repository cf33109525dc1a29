import { constants } from "node:os";
import { isatty } from "node:tty";

import { newelError } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { Bus } from "../bus.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { ChannelFailures, isExitRequest } from "../failures.ts";
import { noteExitSignal, parentOf } from "../join.ts";
import { leave } from "../output.ts";
import { openResources } from "../resources.ts";

/**
 * The action of a signal. `hangup` restarts a program that can restart and has no terminal (a
 * daemon), and ends any other. A function is called with the signal's name.
 */
export type SignalAction =
  | "exit"
  | "restart"
  | "graceful"
  | "hangup"
  | "ignore"
  | ((name: string) => unknown);

/** Options of `signals`: the action of each signal and the time limits of the shutdown. */
export interface SignalOptions {
  /**
   * The action of each signal. Signals that this platform does not know are skipped with a line in the log.
   * Default: SIGTERM and SIGINT exit, SIGHUP is a hangup, SIGUSR2 is graceful; a map adds to these.
   */
  readonly map?: Readonly<Record<string, SignalAction>>;
  /**
   * The time limit of the whole shutdown, in milliseconds, before the process is ended. Default
   * 30,000.
   */
  readonly deadlineMs?: number;
  /**
   * The time that resources may keep the process alive after the shutdown, in milliseconds; then
   * they are named in the log, and the process is ended. Default 1,000.
   */
  readonly lingerMs?: number;
  /**
   * A repeated exit signal within this many milliseconds is ignored: npm and shells forward a
   * Ctrl-C that the terminal has sent already. Default 500; 0: each signal counts.
   */
  readonly repeatMs?: number;
}

/** The signals a bus listens to. */
export interface Signals extends Disposable {
  /**
   * Gives a signal another action.
   *
   * @throws NEWEL_E_BUS_SIGNAL when there is no such signal
   */
  setHandler(signal: string | number, action: SignalAction): void;
  /** Removes all handlers: the program's own handlers, and the default actions, apply again. */
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
const DEFAULT_REPEAT_MS = 500;
/** The listeners of a signal's channel delay its action by this time at most, in milliseconds. */
const LISTENERS_MS = 5_000;
/** A forced end waits this long for a reader of the output, in milliseconds. */
const FORCED_FLUSH_MS = 1_000;

/**
 * Lets signals drive a bus. Each signal is logged and published on the channel of its name
 * (`SIGTERM`); its action follows when the listeners have ended, failed or used 5 s. Of the signals
 * that request the exit the second is reported with the listener that the shutdown waits for, and
 * the third ends the process; so does the deadline. In a child process that is joined to a parent
 * bus, the parent decides about the exit.
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
  readonly #lastExitMs = new Map<string, number>();
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

  /** Like setHandler, but an unknown signal is skipped. */
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
      // Without any listener SIGUSR1 would kill the process, because Node.js then restores the default
      // action of the system and not its inspector.
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
    const exits = action === "exit" || (action === "hangup" && !this.#restartsOnHangup());
    if (exits && this.#isRepeated(name)) {
      this.#bus.log(`Signal ${name} again, at once: it counts once`, "debug");
      return;
    }
    this.#bus.log(`Caught signal ${name}`);
    if (exits) {
      this.#exitsAsked += 1;
      noteExitSignal(this.#bus);
    }
    if (exits && this.#exitsAsked > 1) this.#impatient(name, this.#exitsAsked);
    await this.#publish(name);
    try {
      if (exits) this.#exit(name);
      else await this.#act(name, action);
    } catch (error) {
      this.#failed(name, error);
    }
  }

  #isRepeated(name: string): boolean {
    const nowMs = performance.now();
    const beforeMs = this.#lastExitMs.get(name);
    const repeatMs = this.#options.repeatMs ?? DEFAULT_REPEAT_MS;
    if (beforeMs !== undefined && nowMs - beforeMs < repeatMs) return true;
    this.#lastExitMs.set(name, nowMs);
    return false;
  }

  /**
   * Calls the listeners of the signal's channel. They can never prevent the action of the signal.
   */
  async #publish(name: NodeJS.Signals): Promise<void> {
    const ended = new AbortController();
    const published = this.#bus.publishAsync(name).catch((error: unknown) => {
      this.#failed(name, error);
    });
    const late = sleep(LISTENERS_MS, ended.signal).then(() => "late");
    const first = await Promise.race([published, late]);
    ended.abort();
    if (first === "late")
      this.#bus.log(`The listeners of ${name} have not ended within ${LISTENERS_MS} ms.`, "warn");
  }

  #failed(name: NodeJS.Signals, error: unknown): void {
    if (isExitRequest(error)) void this.#bus.exit(error.exitCode ?? EXIT_CODES.ok);
    // The failures of a channel are in the log already, each with its stack.
    else if (!(error instanceof ChannelFailures))
      this.#bus.log(`The signal ${name} could not be acted on.`, "error", error);
  }

  async #act(name: NodeJS.Signals, action: SignalAction): Promise<void> {
    if (typeof action === "function") {
      await action(name);
      return;
    }
    switch (action) {
      case "restart":
      case "hangup":
        await this.#bus.restart();
        break;
      case "graceful":
        await this.#bus.graceful();
        break;
      case "exit":
      case "ignore":
        break;
    }
  }

  #restartsOnHangup(): boolean {
    return this.#bus.canRestart && !isatty(0);
  }

  #exit(name: NodeJS.Signals): void {
    const parent = parentOf(this.#bus);
    if (parent === undefined || this.#bus.exiting) void this.#bus.exit(EXIT_CODES.ok);
    else parent.leaveTo(name);
  }

  /** The signal was sent again during the shutdown. */
  #impatient(name: NodeJS.Signals, times: number): void {
    if (times === 2) {
      const running = this.#bus.running ?? "an operation that still holds the process";
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
    const open = openResources(/^(TTY|Pipe)Wrap$/);
    this.#bus.log(`Leaving, although the process is still held by: ${open}.`, "warn");
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
