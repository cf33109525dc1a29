import { counted } from "../base/counted.ts";
import type { Bus } from "./bus.ts";
import { ChannelFailures, isExitRequest } from "./failures.ts";
import type { JoinActions, JoinMessage } from "./join.ts";

/**
 * Writes and reads the arguments of a publish. Loaded on first use: an unjoined bus does not pay
 * for it.
 */
interface Codec {
  readonly encodeText: (value: unknown) => string;
  readonly decodeText: (text: string) => unknown;
}

/** This side's end of a joined pair. */
export interface Link {
  /** The name of the other side in the log. */
  readonly name: string;
  /** Whether the other side is connected. */
  readonly isUp: boolean;
  send(message: JoinMessage): void;
}

/** Undelivered publishes are reported after this time, in one line, in milliseconds. */
const REPORT_MS = 100;

/**
 * The channels that are shared with another process: a publish here is repeated there, with the
 * same values, and vice versa. Values that cannot be copied are refused, and publishes that the
 * other side did not get or did not handle are counted and reported.
 */
export class JoinedChannels {
  readonly #bus: Bus;
  readonly #channels: readonly string[];
  readonly #link: Link;
  #codec: Codec | undefined;
  /** Messages in both directions that wait for the codec, in order. */
  #waiting: (() => void)[] = [];
  readonly #offs: (() => void)[];
  /** The channel whose publish came from the other side, and must not be sent back. */
  #delivered: string | undefined;
  readonly #handling = new Set<Promise<void>>();
  #handled = 0;
  #isReporting = false;
  #sent = 0;
  #handledThere = 0;
  readonly #lost = new Map<string, number>();
  #lossTimer: NodeJS.Timeout | undefined;

  constructor(bus: Bus, channels: readonly string[], link: Link) {
    this.#bus = bus;
    this.#channels = channels;
    this.#link = link;
    this.#offs = channels.map((channel) =>
      bus.subscribe(
        channel,
        (...args: readonly unknown[]) => this.#forward(channel, args),
        // Before every other listener, because those may publish in turn.
        { name: `joined bus ${link.name}`, priority: -Infinity },
      ),
    );
  }

  /** The actions for the messages about these channels. */
  get actions(): JoinActions {
    return {
      publish: ({ channel, text }) => this.#deliver(channel, text),
      handled: ({ count }) => {
        this.#handledThere = count;
      },
    };
  }

  /** Loads the codec. Messages that come earlier are kept until then. */
  async load(): Promise<void> {
    this.#codec ??= await import("../wire/text.ts");
    for (const act of this.#waiting.splice(0)) act();
  }

  /** Publishes here a message that was published there. */
  #deliver(channel: string, text: string): void {
    const codec = this.#codec;
    if (codec === undefined) {
      this.#waiting.push(() => this.#deliver(channel, text));
      return;
    }
    // Only the channels that both sides have named are joined.
    const isJoined = this.#channels.includes(channel);
    const handling = (isJoined ? this.#publish(channel, text, codec) : Promise.resolve()).then(
      () => {
        this.#handling.delete(handling);
        this.#done();
      },
    );
    this.#handling.add(handling);
  }

  /** Resolves when the listeners of all publishes that were delivered have ended. */
  async handled(): Promise<void> {
    while (this.#handling.size > 0) await Promise.all(this.#handling);
  }

  /** Reports the number of handled publishes to the other side, without a delay. */
  report(): void {
    this.#isReporting = false;
    if (this.#handled > 0) this.#link.send({ say: "handled", count: this.#handled });
  }

  /** The other side has ended: reports the publishes that it has not handled. */
  ended(): void {
    const left = this.#sent - this.#handledThere;
    this.#sent = 0;
    this.#handledThere = 0;
    this.#handled = 0;
    if (left > 0)
      this.#bus.log(
        `${this.#link.name} ended before it had handled ${counted(left, "published message")}.`,
        "warn",
      );
  }

  /** Ends the forwarding. */
  off(): void {
    for (const off of this.#offs) off();
    this.#reportLost();
  }

  #forward(channel: string, args: readonly unknown[]): void {
    if (this.#delivered === channel) {
      this.#delivered = undefined;
      return;
    }
    if (!this.#link.isUp) this.#lose(channel);
    else if (this.#codec !== undefined) this.#send(channel, args, this.#codec);
    else this.#waiting.push(() => this.#sendLate(channel, args));
  }

  #send(channel: string, args: readonly unknown[], codec: Codec): void {
    this.#link.send({ say: "publish", channel, text: codec.encodeText(args) });
    this.#sent += 1;
  }

  /** The publish has returned: a value that cannot be sent is reported in the log. */
  #sendLate(channel: string, args: readonly unknown[]): void {
    try {
      this.#forward(channel, args);
    } catch (error) {
      this.#bus.log(`A message on "${channel}" cannot be sent.`, "error", error);
    }
  }

  #lose(channel: string): void {
    this.#lost.set(channel, (this.#lost.get(channel) ?? 0) + 1);
    this.#lossTimer ??= setTimeout(() => this.#reportLost(), REPORT_MS).unref();
  }

  #reportLost(): void {
    clearTimeout(this.#lossTimer);
    this.#lossTimer = undefined;
    for (const [channel, count] of this.#lost)
      this.#bus.log(
        `${this.#link.name} is not running: ${counted(count, "message")} published on "${channel}" ${count === 1 ? "was" : "were"} not delivered.`,
        "warn",
      );
    this.#lost.clear();
  }

  /**
   * Never rejects. Resolves when the listeners have ended, including those that return a promise.
   */
  async #publish(channel: string, text: string, { decodeText }: Codec): Promise<void> {
    try {
      const args = decodeText(text) as readonly unknown[];
      this.#delivered = channel;
      await Promise.allSettled(this.#bus.publish(channel, ...args));
    } catch (error) {
      if (isExitRequest(error)) void this.#bus.exit(error.exitCode);
      // The failures of listeners are in the log already.
      else if (!(error instanceof ChannelFailures))
        this.#bus.log(`A message of ${this.#link.name} could not be read.`, "error", error);
    }
  }

  /**
   * Reports in the next turn of the event loop: one message for all publishes handled until then.
   */
  #done(): void {
    this.#handled += 1;
    if (this.#isReporting) return;
    this.#isReporting = true;
    setImmediate(() => this.#isReporting && this.report());
  }
}
