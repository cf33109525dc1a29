import { hasCode, newelError } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import { reachKernel, type Target } from "./autostart.ts";
import type { Channel, Request } from "./channel.ts";
import type { Message } from "./line-reader.ts";

/** How often a request is sent again when its connection ends. */
const REPEATS = 5;
/** The pause before the third and each later attempt, in milliseconds. */
const REPEAT_MS = 50;

/** The connection for a client's calls and claims; opened again when it is needed. */
export class Link {
  readonly #target: Target;
  readonly #onLost: () => void;
  readonly #onMessage: ((message: Message) => void) | undefined;
  #channel: Promise<Channel> | undefined;
  #closed = false;

  /**
   * @param onLost - called when a connection ended that this client did not close
   * @param onMessage - called with messages of the kernel that answer no request
   */
  constructor(target: Target, onLost: () => void, onMessage?: (message: Message) => void) {
    this.#target = target;
    this.#onLost = onLost;
    this.#onMessage = onMessage;
  }

  /** Connects at once, so that an unreachable kernel is detected immediately. */
  async open(): Promise<void> {
    await this.#connected();
  }

  /**
   * Sends a request and returns its answer.
   *
   * @param repeat - the request is idempotent, so it is sent again when the connection is lost; `always`: it
   *   waits for an event, and is sent again to any number of kernels
   */
  async call<T>(request: Request, repeat: boolean | "always"): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const channel = await this.#connected();
      try {
        // The kernel is of this package: its answers have the types of its API.
        return (await channel.request(request)) as T;
      } catch (error) {
        const allowed = repeat === "always" || (repeat && attempt <= REPEATS);
        const again = allowed && !this.#closed;
        if (!again || !hasCode(error, "NEWEL_E_CONNECTION_LOST")) throw error;
        if (attempt > 1) await sleep(REPEAT_MS);
      }
    }
  }

  close(): void {
    this.#closed = true;
    // A connection that failed to open needs no close.
    this.#channel?.then(
      (channel) => channel.close(),
      () => undefined,
    );
  }

  async #connected(): Promise<Channel> {
    if (this.#closed)
      throw newelError("NEWEL_E_CANCELLED", { what: "The call of a closed client" });
    const opening = (this.#channel ??= this.#connect());
    const channel = await opening;
    if (channel.open) return channel;
    // Another call may have begun to connect again: with two connections a claim would have two askers.
    if (this.#channel === opening) this.#channel = undefined;
    return this.#connected();
  }

  async #connect(): Promise<Channel> {
    try {
      const channel = await reachKernel(this.#target, this.#onMessage);
      void channel.lost.then(() => {
        if (!this.#closed) this.#onLost();
      });
      return channel;
    } catch (error) {
      this.#channel = undefined;
      throw error;
    }
  }
}
