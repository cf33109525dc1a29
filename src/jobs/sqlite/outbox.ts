import type { Request } from "./group.ts";
import { isPromised } from "./group.ts";
import type { ReplyMessage, ToMain } from "./messages.ts";
import type { Offer } from "./offers.ts";

/** With fewer answers than this, a second message is not worth its cost. */
const HALVED = 6;

/** The calls of a turn that are answered together, and the messages that leave after their answers. */
export interface Batch {
  readonly queues: ReadonlySet<string>;
  readonly deliveries: ToMain[];
}

/** Where messages go. */
interface Port {
  postMessage(message: ToMain): void;
}

/**
 * The order in which messages are sent to the main thread.
 *
 * A caller that adds a job expects the answer before it sees the job in another way, as on a server: a program
 * notes the id that `add` returns, and looks it up when the job is done. But a commit is visible to workers at once,
 * but its answer waits for the disk. So a message that hands over a job of a queue, or events of it, is a *delivery*: it
 * is sent after the answers of all calls of this process that wrote to that queue before.
 *
 *   begin     a turn has calls to queues that are answered later
 *   deliver   a delivery is sent at once, or joins the youngest batch that has its queue
 *   release   the answers of a batch are sent, then its deliveries; batches are released in the order they began
 *
 * Each message is a separate event on the main thread, which runs all promise callbacks of one before the next.
 */
export class Outbox {
  readonly #port: Port;
  readonly #isSlow: () => boolean;
  readonly #onOffer: (offer: Offer) => void;
  readonly #batches: Batch[] = [];

  /**
   * @param isSlow - whether the disk is so slow that the second half of many answers would wait for a sync
   * @param onOffer - called when an offer leaves
   */
  constructor(port: Port, isSlow: () => boolean, onOffer: (offer: Offer) => void) {
    this.#port = port;
    this.#isSlow = isSlow;
    this.#onOffer = onOffer;
  }

  /** Records the queues that the calls of a turn write to. */
  begin(requests: readonly Request[]): Batch {
    const batch = { queues: queuesOf(requests), deliveries: [] };
    if (batch.queues.size > 0) this.#batches.push(batch);
    return batch;
  }

  /** Sends a message that hands over a job of the queue, or events of it. */
  deliver(queue: string, message: ToMain): void {
    const batch = this.#batches.findLast(({ queues }) => queues.has(queue));
    if (batch === undefined) this.send(message);
    else batch.deliveries.push(message);
  }

  /** Sends the answers of a batch, then the deliveries that waited for them. */
  release(batch: Batch, answers: readonly ReplyMessage[]): void {
    const at = this.#batches.indexOf(batch);
    if (at !== -1) this.#batches.splice(at, 1);
    if (answers.length > 0) this.#sendAnswers(answers);
    for (const delivery of batch.deliveries) this.send(delivery);
  }

  /**
   * Sends a large number of answers in two messages: while the main thread reads the second, this thread runs
   * the calls that the program made after the first.
   */
  #sendAnswers(replies: readonly ReplyMessage[]): void {
    if (replies.length < HALVED || this.#isSlow()) {
      this.send({ replies });
      return;
    }
    const middle = replies.length >> 1;
    this.send({ replies: replies.slice(0, middle) });
    this.send({ replies: replies.slice(middle) });
  }

  /** Sends a message at once. */
  send(message: ToMain): void {
    for (const wake of message.wakes ?? []) if ("offer" in wake) this.#onOffer(wake.offer);
    this.#port.postMessage(message);
  }
}

function queuesOf(requests: readonly Request[]): Set<string> {
  const queues = new Set<string>();
  for (const { operation, queue, args } of requests) {
    if (!isPromised(operation)) continue;
    queues.add(queue);
    if (operation === "addFlow")
      for (const { queueName } of args[0] as readonly { readonly queueName: string }[])
        queues.add(queueName);
  }
  return queues;
}
