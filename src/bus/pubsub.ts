import { AsyncLocalStorage } from "node:async_hooks";

import {
  type AnyListener,
  type ChannelMap,
  type ChannelName,
  ChannelTable,
  DEFAULT_PRIORITY,
  isLifecycle,
  type Listener,
  type OpenChannels,
  type PublishArguments,
  type Result,
  type Step,
  type SubscribeOptions,
  type Subscription,
} from "./channels.ts";
import {
  ChannelFailures,
  type ExitRequest,
  honestRequest,
  isExitRequest,
  type ListenerFailure,
} from "./failures.ts";
import { type LogEntry, type LogLevel, logText } from "./log.ts";
import { writeError } from "./output.ts";
import {
  failureOf,
  type Outcome,
  publishInTurn,
  throwFailures,
  type TurnOptions,
} from "./publish.ts";

const NO_LIMIT: TurnOptions = { limitMs: Infinity };

/**
 * Typed channels with listeners in order of priority. Every listener of a channel runs, even if
 * others fail; the failures are thrown as one {@link ChannelFailures}. The lifecycle is in `Bus`.
 */
export class PubSub<Channels extends ChannelMap<Channels> = OpenChannels> {
  /** Names the bus in its log. */
  readonly name: string;
  readonly #table = new ChannelTable();
  readonly #brokenLoggers = new WeakSet<AnyListener>();

  constructor(name: string) {
    this.name = name;
  }

  /**
   * Subscribes a listener: lower priorities run first, equal ones in the order of subscription. A
   * function that is subscribed already stays one listener and takes the new settings.
   *
   * @returns a function that unsubscribes the listener
   */
  subscribe<Name extends ChannelName<Channels>>(
    channel: Name,
    listener: Listener<Channels, Name>,
    options?: SubscribeOptions,
  ): () => void;
  /** Without a listener: a function that subscribes its argument and returns it. */
  subscribe<Name extends ChannelName<Channels>>(
    channel: Name,
    options?: SubscribeOptions,
  ): <Given extends Listener<Channels, Name>>(listener: Given) => Given;
  subscribe(
    channel: string,
    first?: AnyListener | SubscribeOptions,
    options: SubscribeOptions = {},
  ): unknown {
    if (typeof first === "function") return this.#add(channel, first, options);
    return (listener: AnyListener) => {
      this.#add(channel, listener, first ?? {});
      return listener;
    };
  }

  /** Unsubscribes a listener from a channel; does nothing when it is not subscribed. */
  unsubscribe<Name extends ChannelName<Channels>>(
    channel: Name,
    listener: Listener<Channels, Name>,
  ): void {
    this.#table.remove(channel, listener as AnyListener);
  }

  /**
   * Calls every listener immediately, in order.
   *
   * @returns their results in run order; promises are not awaited. A promise that rejects later is logged
   * @throws ChannelFailures when listeners threw; {@link ExitRequest} as it was thrown
   */
  publish<Name extends ChannelName<Channels>>(
    channel: Name,
    ...args: PublishArguments<Channels, Name>
  ): Result<Channels, Name>[];
  publish(channel: string, ...args: unknown[]): unknown[] {
    return this.publishNow(channel, args);
  }

  /** `publish` for a channel whose type is unknown to the compiler. */
  protected publishNow(channel: string, args: readonly unknown[]): unknown[] {
    const listeners = this.#table.get(channel);
    if (listeners === undefined) return [];
    const given = args.length === 0 && isLifecycle(channel) ? [unlimitedStep()] : args;
    const results: unknown[] = [];
    let failures: ListenerFailure[] | undefined;
    let at = 0;
    while (at < listeners.length) {
      try {
        // One try for all listeners while none fails: entering a try for each would cost more than
        // the calls.
        for (; at < listeners.length; at += 1) {
          const result = callWith((listeners[at] as Subscription).call, given);
          results.push(result);
          if (typeof result === "object" && result instanceof Promise)
            this.#watch(channel, listeners[at] as Subscription, result);
        }
      } catch (error) {
        if (isExitRequest(error)) throw honestRequest(error, failures !== undefined);
        const listener = listeners[at] as Subscription;
        (failures ??= []).push(failureOf(channel, listener, error));
        this.#report(channel, listener.name, error);
        at += 1;
      }
    }
    if (failures !== undefined) throw new ChannelFailures(channel, failures, results);
    return results;
  }

  /** Calls all listeners of a channel without arguments, even if some throw. */
  protected publishToAll(channel: string): void {
    let failed = false;
    for (const listener of this.listenersOf(channel)) {
      try {
        const { call } = listener;
        const result = call();
        if (result instanceof Promise) this.#watch(channel, listener, result);
      } catch (error) {
        if (isExitRequest(error)) {
          this.exitRequested(honestRequest(error, failed));
        } else {
          failed = true;
          this.#report(channel, listener.name, error);
        }
      }
    }
  }

  /**
   * Calls the listeners one after the other, waiting for each within its `timeoutMs`.
   *
   * @returns the values they resolved to, in run order
   * @throws ChannelFailures when listeners failed or took too long; {@link ExitRequest} as thrown
   */
  publishAsync<Name extends ChannelName<Channels>>(
    channel: Name,
    ...args: PublishArguments<Channels, Name>
  ): Promise<Awaited<Result<Channels, Name>>[]>;
  async publishAsync(channel: string, ...args: unknown[]): Promise<unknown[]> {
    const outcome = await this.inTurn(channel, args, NO_LIMIT);
    throwFailures(channel, outcome);
    return outcome.results;
  }

  /**
   * Publishes an entry on `log`. It never throws: a listener that fails is named once in a process
   * warning. Without a listener, warnings and errors go to stderr, so that none is lost.
   *
   * @param level - default `info`
   * @param error - its name and stack are added to the message
   */
  log(message: string, level: LogLevel = "info", error?: unknown): void {
    const entry: LogEntry = {
      timeMs: Date.now(),
      level,
      message: logText(message, error),
      bus: this.name,
      pid: process.pid,
      ...(error === undefined ? {} : { error }),
    };
    this.logEntry(entry);
  }

  /**
   * Publishes an entry that was made elsewhere, for example on a joined bus, and never throws
   * either.
   */
  logEntry(entry: LogEntry): void {
    const listeners = this.#table.get("log");
    if (listeners === undefined) {
      if (entry.level === "warn" || entry.level === "error") writeError(entry.message);
      return;
    }
    for (const listener of listeners) {
      try {
        const { call } = listener;
        const result = call(entry);
        if (result instanceof Promise)
          result.catch((reason: unknown) => this.#loggerFailed(listener, reason));
      } catch (reason) {
        this.#loggerFailed(listener, reason);
      }
    }
  }

  /** The listeners of a channel in run order, for plugins and plans. */
  listenersOf(channel: string): readonly Subscription[] {
    return this.#table.get(channel) ?? [];
  }

  /**
   * Like `publishAsync`, but failures are returned, not thrown. Each failure is logged when it
   * happens.
   */
  protected inTurn(
    channel: string,
    args: readonly unknown[],
    options: TurnOptions,
  ): Promise<Outcome> {
    return publishInTurn(channel, this.listenersOf(channel), args, options, (listener, error) =>
      this.#report(channel, listener, error),
    );
  }

  /** Called when a listener that the bus itself called, without a publisher, requests the exit. */
  protected exitRequested(_request: ExitRequest): void {
    // The bus exits here.
  }

  /** Called after a listener was added. */
  protected subscribed(_channel: string): void {
    // The bus wakes its main loop here.
  }

  #add(channel: string, listener: AnyListener, options: SubscribeOptions): () => void {
    const remove = (): void => {
      this.#table.remove(channel, listener);
      options.signal?.removeEventListener("abort", remove);
    };
    if (options.signal?.aborted === true) return remove;
    options.signal?.addEventListener("abort", remove, { once: true });
    this.#table.add(channel, {
      listener,
      call: options.keepContext === true ? AsyncLocalStorage.bind(listener) : listener,
      name: options.name ?? (listener.name === "" ? "anonymous" : listener.name),
      priority: options.priority ?? ownPriority(listener),
      timeoutMs: options.timeoutMs,
    });
    this.subscribed(channel);
    return remove;
  }

  #watch(channel: string, listener: Subscription, result: Promise<unknown>): void {
    result.catch((error: unknown) => {
      if (isExitRequest(error)) this.exitRequested(error);
      else this.#report(channel, listener.name, error);
    });
  }

  /** A failure of a `log` listener is not published on `log`. */
  #report(channel: string, listener: string, error: unknown): void {
    if (channel === "log") return;
    this.log(`The listener ${listener} of the channel "${channel}" failed.`, "error", error);
  }

  #loggerFailed(listener: Subscription, error: unknown): void {
    if (this.#brokenLoggers.has(listener.listener)) return;
    this.#brokenLoggers.add(listener.listener);
    process.emitWarning(
      logText(`The log listener ${listener.name} failed; entries may be missing.`, error),
      { type: "NewelBusLog" },
    );
  }
}

/**
 * For lifecycle listeners that are called by `publish`, which neither waits for nor limits them.
 */
function unlimitedStep(): Step {
  return { signal: new AbortController().signal, limitMs: Infinity };
}

/** The usual numbers of arguments without a spread, because a spread is several times slower. */
function callWith(call: AnyListener, args: readonly unknown[]): unknown {
  switch (args.length) {
    case 0:
      return call();
    case 1:
      return call(args[0]);
    case 2:
      return call(args[0], args[1]);
    default:
      return call(...args);
  }
}

function ownPriority(listener: AnyListener): number {
  return "priority" in listener && typeof listener.priority === "number"
    ? listener.priority
    : DEFAULT_PRIORITY;
}
