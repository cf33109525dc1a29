import type { LogEntry } from "./log.ts";
import type { BusState } from "./states.ts";

/** What a lifecycle listener is told about the step it is. */
export interface Step {
  /** Aborts when the listener's time is over, or when the bus no longer wants the step. */
  readonly signal: AbortSignal;
  /** How long the listener may take, in milliseconds; `Infinity` for no limit. */
  readonly limitMs: number;
}

/** The channels the bus publishes itself, one listener after the other, each within its time. */
interface LifecycleChannels {
  start(step: Step): unknown;
  stop(step: Step): unknown;
  restart(step: Step): unknown;
  graceful(step: Step): unknown;
  exit(step: Step): unknown;
}

/** The channels every bus has. A state's channel is published when that state is entered. */
export interface BuiltInChannels extends LifecycleChannels, Record<BusState, () => unknown> {
  /** Published again and again while `block()` waits. */
  main(): unknown;
  log(entry: LogEntry): unknown;
}

/** A map of channel names to the signature of their listeners: `{ order(order: Order): void }`. */
export type ChannelMap<Channels> = {
  readonly [Name in keyof Channels]: (...args: never[]) => unknown;
};

/** The channels of a bus made without a type argument: any name, any arguments. */
export type OpenChannels = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

export type LifecycleName = keyof LifecycleChannels;
type BuiltInName = keyof BuiltInChannels;
/** A channel name of a bus with these channels. */
export type ChannelName<Channels> = BuiltInName | (keyof Channels & string);

type Signature<Channels, Name> = Name extends BuiltInName
  ? BuiltInChannels[Name]
  : Name extends keyof Channels
    ? Channels[Name]
    : never;

/** What a channel's listener is given. */
type ListenerArguments<Channels, Name> =
  Signature<Channels, Name> extends (...args: infer Arguments) => unknown ? Arguments : never;

/** What a channel's listener returns, at once. */
export type Result<Channels, Name> =
  Signature<Channels, Name> extends (...args: never[]) => infer Value ? Value : never;

/** A listener of a channel; it may also be asynchronous. */
export type Listener<Channels, Name> = (
  ...args: ListenerArguments<Channels, Name>
) => Result<Channels, Name> | PromiseLike<Result<Channels, Name>>;

/** What `publish` takes: lifecycle listeners get a step of their own when the caller gives none. */
export type PublishArguments<Channels, Name> = Name extends LifecycleName
  ? [step?: Step]
  : ListenerArguments<Channels, Name>;

/** How a listener is subscribed. */
export interface SubscribeOptions {
  /** Lower runs first. Default: the function's own `priority` property, else 50. */
  readonly priority?: number;
  /** Names the listener in logs, plans and failures. Default: the function's name. */
  readonly name?: string;
  /** How long it may take in `publishAsync` and in a lifecycle step, in milliseconds. */
  readonly timeoutMs?: number;
  /** Unsubscribes when aborted. */
  readonly signal?: AbortSignal;
  /** Run in the asynchronous context (AsyncLocalStorage) of the `subscribe` call. Default false. */
  readonly keepContext?: boolean;
}

/** The priority of a listener that names none. */
export const DEFAULT_PRIORITY = 50;

/** A subscribed function. */
export interface Subscription {
  /** What was subscribed: the key for unsubscribing. */
  readonly listener: AnyListener;
  /** What is called: the listener, perhaps bound to its context. */
  readonly call: AnyListener;
  readonly name: string;
  readonly priority: number;
  readonly timeoutMs: number | undefined;
}

/** A listener whose channel is not known here. */
export type AnyListener = (...args: unknown[]) => unknown;

/**
 * The listeners of each channel, in run order. An array is never changed, only replaced, so that a
 * publish that runs goes on with the one it began with.
 */
export class ChannelTable {
  readonly #channels = new Map<string, readonly Subscription[]>();

  /** The listeners in run order, or `undefined` when there are none. */
  get(channel: string): readonly Subscription[] | undefined {
    return this.#channels.get(channel);
  }

  /** Adds a listener behind those of equal priority; one that is there only changes its settings. */
  add(channel: string, added: Subscription): void {
    const others = (this.#channels.get(channel) ?? []).filter(
      (present) => present.listener !== added.listener,
    );
    const behind = others.findIndex((present) => present.priority > added.priority);
    const at = behind === -1 ? others.length : behind;
    this.#channels.set(channel, others.toSpliced(at, 0, added));
  }

  /** Removes a listener; nothing happens when it is not there. */
  remove(channel: string, listener: AnyListener): void {
    const left = this.#channels.get(channel)?.filter((present) => present.listener !== listener);
    if (left === undefined) return;
    if (left.length === 0) this.#channels.delete(channel);
    else this.#channels.set(channel, left);
  }

  /** The names of the channels that have listeners. */
  names(): string[] {
    return [...this.#channels.keys()];
  }
}
