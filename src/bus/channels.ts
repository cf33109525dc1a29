import type { LogEntry } from "./log.ts";
import type { PluginChannels } from "./plugin-channels.ts";
import type { BusState } from "./lifecycle/states.ts";

/** The step of a lifecycle listener: its time, and the signal that ends it. */
export interface Step {
  /** Aborts when the listener's time is over, or when the bus no longer wants the step. */
  readonly signal: AbortSignal;
  /** How long the listener may take, in milliseconds; `Infinity` for no limit. */
  readonly limitMs: number;
}

/**
 * The channels that the bus itself publishes, one listener after the other, each with its time
 * limit.
 */
interface LifecycleChannels {
  start(step: Step): unknown;
  stop(step: Step): unknown;
  restart(step: Step): unknown;
  graceful(step: Step): unknown;
  exit(step: Step): unknown;
}

/** The channels every bus has. A state's channel is published when that state is entered. */
export interface BuiltInChannels
  extends LifecycleChannels, PluginChannels, Record<BusState, () => unknown> {
  /** Published again and again while the bus is started and `block()` waits. */
  main(): unknown;
  /** Published with each entry of the log, in the process it was logged in. */
  log(entry: LogEntry): unknown;
}

/** A map of channel names to the signature of their listeners: `{ order(order: Order): void }`. */
export type ChannelMap<Channels> = {
  readonly [Name in keyof Channels]: (...args: never[]) => unknown;
};

/** The channels of a bus made without a type argument: any name, any arguments. */
export type OpenChannels = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

export type LifecycleName = keyof LifecycleChannels;

const LIFECYCLE: ReadonlySet<string> = new Set<LifecycleName>([
  "start",
  "stop",
  "restart",
  "graceful",
  "exit",
]);

/** Whether a channel's listeners get a {@link Step}. */
export function isLifecycle(channel: string): channel is LifecycleName {
  return LIFECYCLE.has(channel);
}

type BuiltInName = keyof BuiltInChannels;
/** A channel name of a bus with these channels. */
export type ChannelName<Channels> = BuiltInName | (keyof Channels & string);

type Signature<Channels, Name> = Name extends BuiltInName
  ? BuiltInChannels[Name]
  : Name extends keyof Channels
    ? Channels[Name]
    : never;

/** The arguments of a channel's listener. */
type ListenerArguments<Channels, Name> =
  Signature<Channels, Name> extends (...args: infer Arguments) => unknown ? Arguments : never;

/** The result of a channel's listener, as its signature says: perhaps a promise. */
export type Result<Channels, Name> =
  Signature<Channels, Name> extends (...args: never[]) => infer Value ? Value : never;

/** A listener of a channel; it may also be asynchronous. */
export type Listener<Channels, Name> = (
  ...args: ListenerArguments<Channels, Name>
) => Result<Channels, Name> | PromiseLike<Awaited<Result<Channels, Name>>>;

/**
 * The arguments of `publish`: each lifecycle listener gets its own step if the caller passes no
 * arguments.
 */
export type PublishArguments<Channels, Name> = Name extends LifecycleName
  ? [step?: Step]
  : ListenerArguments<Channels, Name>;

/** The settings of a subscription. */
export interface SubscribeOptions {
  /** Lower runs first. Default: the function's own `priority` property, else 50. */
  readonly priority?: number;
  /** Names the listener in logs, plans and failures. Default: the function's name. */
  readonly name?: string;
  /** The time limit in `publishAsync` and in a lifecycle step, in milliseconds. */
  readonly timeoutMs?: number;
  /** Unsubscribes when aborted. */
  readonly signal?: AbortSignal;
  /** Run in the asynchronous context (AsyncLocalStorage) of the `subscribe` call. Default false. */
  readonly keepContext?: boolean;
}

/** The priority of a listener without its own priority. */
export const DEFAULT_PRIORITY = 50;

/** A subscribed function. */
export interface Subscription {
  /** The function that was subscribed: the key for unsubscribing. */
  readonly listener: AnyListener;
  /** The function that is called: the listener, perhaps bound to its context. */
  readonly call: AnyListener;
  readonly name: string;
  readonly priority: number;
  readonly timeoutMs: number | undefined;
}

/** A listener of a channel that is unknown to the compiler. */
export type AnyListener = (...args: unknown[]) => unknown;

/** The listeners of one channel. */
interface Channel {
  /** In run order. */
  listeners: Subscription[];
  /** Whether a publish may read the array: it is then replaced, not changed. */
  isRead: boolean;
  readonly byListener: Map<AnyListener, Subscription>;
}

/**
 * The listeners of each channel, in run order. A running publish continues with the listeners that
 * it began with: an array that was handed out is never changed. Arrays between two publishes are, so
 * that many subscriptions do not copy the array each.
 */
export class ChannelTable {
  readonly #channels = new Map<string, Channel>();

  /** The listeners in run order, or `undefined` when there are none. */
  get(channel: string): readonly Subscription[] | undefined {
    const found = this.#channels.get(channel);
    if (found === undefined) return undefined;
    found.isRead = true;
    return found.listeners;
  }

  /**
   * Adds a listener after those of equal priority; for a subscribed listener only the settings
   * change.
   */
  add(channel: string, added: Subscription): void {
    this.remove(channel, added.listener);
    const found = this.#channels.get(channel) ?? {
      listeners: [],
      isRead: false,
      byListener: new Map<AnyListener, Subscription>(),
    };
    this.#channels.set(channel, found);
    const listeners = ownArray(found);
    const last = listeners.at(-1);
    const isLast = last === undefined || !(last.priority > added.priority);
    if (isLast) listeners.push(added);
    else
      listeners.splice(
        listeners.findIndex((present) => present.priority > added.priority),
        0,
        added,
      );
    found.byListener.set(added.listener, added);
  }

  /** Removes a listener; does nothing when it is not subscribed. */
  remove(channel: string, listener: AnyListener): void {
    const found = this.#channels.get(channel);
    const present = found?.byListener.get(listener);
    if (found === undefined || present === undefined) return;
    found.byListener.delete(listener);
    if (found.byListener.size === 0) {
      this.#channels.delete(channel);
      return;
    }
    const listeners = ownArray(found);
    listeners.splice(listeners.indexOf(present), 1);
  }

  /** The names of the channels that have listeners. */
  names(): string[] {
    return [...this.#channels.keys()];
  }
}

/** The array of a channel, for a change. */
function ownArray(channel: Channel): Subscription[] {
  if (channel.isRead) channel.listeners = [...channel.listeners];
  channel.isRead = false;
  return channel.listeners;
}
