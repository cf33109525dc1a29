import { hasCode } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import { reachKernel, type Target } from "./autostart.ts";
import type { Channel, Request } from "./channel.ts";
import type { Message } from "./line-reader.ts";

/** With more unread messages than this, the connection is not read. */
const QUEUE_MESSAGES = 32;

/** The pause after a connection that ended before its stream began, in milliseconds. */
const REOPEN_MS = 50;

/**
 * One stream of messages on a separate connection: a slow reader stops the kernel for this stream only.
 */
class MessageQueue {
  readonly #messages: Message[] = [];
  #channel: Channel | undefined;
  #over = false;
  #wake: (() => void) | undefined;

  readonly push = (message: Message): void => {
    this.#messages.push(message);
    if (this.#messages.length > QUEUE_MESSAGES) this.#channel?.pause();
    this.#wake?.();
  };

  attach(channel: Channel): void {
    this.#channel = channel;
    void channel.lost.then(() => {
      this.#over = true;
      this.#wake?.();
    });
  }

  /** The next message; `undefined` when the connection is gone and every message was read. */
  async next(): Promise<Message | undefined> {
    while (this.#messages.length === 0 && !this.#over)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    const message = this.#messages.shift();
    if (this.#messages.length === 0) this.#channel?.resume();
    return message;
  }
}

/** The plan of a stream, used each time it has to be opened. */
export interface StreamPlan {
  /** The request, from the present position of the stream. */
  request(): Request;
  /** Called with the kernel's first answer; `false` ends the stream. */
  opened(answer: unknown): boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The messages of a stream, across any number of connections.
 *
 * @throws the kernel's refusal of the request; NEWEL_E_KERNEL_UNREACHABLE
 */
export async function* follow(target: Target, plan: StreamPlan): AsyncGenerator<Message, void> {
  const { signal } = plan;
  while (!isAborted(signal)) {
    const queue = new MessageQueue();
    const channel = await reachUnlessAborted(target, queue, signal);
    if (channel === undefined) return;
    const stop = (): void => channel.close();
    signal?.addEventListener("abort", stop, { once: true });
    queue.attach(channel);
    try {
      if (!plan.opened(await channel.request(plan.request()))) return;
      for (;;) {
        const message = await queue.next();
        if (message === undefined || isAborted(signal)) break;
        yield message;
      }
    } catch (error) {
      if (!hasCode(error, "NEWEL_E_CONNECTION_LOST")) throw error;
      await sleep(REOPEN_MS, signal);
    } finally {
      signal?.removeEventListener("abort", stop);
      channel.close();
    }
  }
}

async function reachUnlessAborted(
  target: Target,
  queue: MessageQueue,
  signal: AbortSignal | undefined,
): Promise<Channel | undefined> {
  try {
    return await reachKernel(target, queue.push, signal);
  } catch (error) {
    if (isAborted(signal)) return undefined;
    throw error;
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}
