import { nextTick, queueMicrotask, setImmediate } from "../../base/globals.ts";
import { bodyOfError, CloneBody, encodeBody, encodeTransferred, type Body } from "../body.ts";
import type { Link } from "../link.ts";
import { ToPool } from "../protocol.ts";
import { notCloneable, type Transferable } from "../transferable.ts";

const eventLoopUtilization = performance.eventLoopUtilization.bind(performance);

/**
 * The frames of a worker to its pool, and the moments at which they are sent: the answers of one
 * turn leave together, with the number of tasks that were taken and the time the event loop was
 * busy.
 */
export class Outbound {
  readonly #link: Link;
  readonly #canClone: boolean;
  /** The number of tasks taken from the queue so far. */
  readonly #taken: () => number;
  readonly #transfers = new WeakMap<object, readonly Transferable[]>();
  #takenTold = 0;
  #busyTold = 0;
  #isFlushScheduled = false;
  /** Whether frames are being read, or tasks begun: the flush at the end of the turn follows. */
  isInTurn = false;

  constructor(link: Link, canClone: boolean, taken: () => number) {
    this.#link = link;
    this.#canClone = canClone;
    this.#taken = taken;
    // From here on only this class decides when the outbox sends.
    link.outbox.beginTurn();
  }

  /**
   * Encodes a value, whose memory may be marked as transferred.
   *
   * @throws NEWEL_E_NOT_SENDABLE
   */
  encode(value: unknown): Body {
    const memory =
      typeof value === "object" && value !== null ? this.#transfers.get(value) : undefined;
    return memory === undefined
      ? encodeBody(value, this.#canClone)
      : encodeTransferred(value, memory, this.#canClone);
  }

  /** Remembers the memory of a value that is to be transferred. */
  transfer<Value>(value: Value, memory: readonly Transferable[]): Value {
    if (typeof value === "object" && value !== null) this.#transfers.set(value, memory);
    return value;
  }

  /** Answers a task; a body that cannot be handed over becomes the error of the task. */
  answer(type: number, id: number, body: Body): void {
    try {
      this.#link.send(type, id, 0, body);
    } catch (error) {
      this.#link.send(ToPool.FAILED, id, 0, bodyOfError(notCloneable(error)));
    }
    if (!(body instanceof CloneBody)) this.scheduleFlush(false);
  }

  /**
   * Sends an item of a task's stream; returns its size in bytes.
   *
   * @throws NEWEL_E_NOT_SENDABLE
   */
  sendItem(id: number, value: unknown): number {
    const bytes = this.#link.send(ToPool.ITEM, id, 0, this.encode(value));
    this.scheduleFlush(false);
    return bytes;
  }

  /**
   * After a turn: sends when all its microtasks are done. In between (a timer, a socket of the task
   * itself): sends after one round of the event loop, so that other answers due by then are
   * included.
   */
  scheduleFlush(isTurn: boolean): void {
    if (this.isInTurn || this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    if (isTurn) queueMicrotask(() => nextTick(this.#scheduledFlush));
    else setImmediate(this.#scheduledFlush);
  }

  readonly #scheduledFlush = (): void => {
    this.#isFlushScheduled = false;
    this.flush();
  };

  flush(): void {
    const taken = this.#taken();
    if (taken !== this.#takenTold) {
      const busy = eventLoopUtilization().active;
      const busyUs = Math.min(0xffff_ffff, Math.round((busy - this.#busyTold) * 1_000));
      this.#link.send(ToPool.TAKEN, taken >>> 0, busyUs);
      this.#takenTold = taken;
      this.#busyTold = busy;
    }
    this.#link.outbox.endTurn();
    this.#link.outbox.beginTurn();
  }
}
