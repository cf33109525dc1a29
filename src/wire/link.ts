import { messageOf, newelError } from "../base/errors.ts";
import { decode, encode, encodeArguments } from "./codec.ts";
import { FrameFlag, type Frame } from "./frames.ts";
import type { WireLimits } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import type { ReferenceTable } from "./references.ts";

/** What is called: a method by its number in the peer's table, or a function by its reference. */
export interface Target {
  readonly method: number;
  readonly name: string;
  readonly reference?: number;
}

const failures = new WeakMap<object, "not made" | "not answered">();

/**
 * Whether it is the connection that failed a call, and how; `undefined` for any other error, also
 * for one that a method threw at the other end and that has the same code.
 */
export function connectionFailure(error: unknown): "not made" | "not answered" | undefined {
  return error instanceof Error ? failures.get(error) : undefined;
}

/**
 * What the two halves of a session (caller.ts, callee.ts) share: the way out, the codec and the
 * limits of one connection.
 */
export class Link {
  readonly peer: string;
  readonly limits: WireLimits;
  readonly outbox: Outbox;
  readonly references: ReferenceTable;

  constructor(peer: string, limits: WireLimits, outbox: Outbox, references: ReferenceTable) {
    this.peer = peer;
    this.limits = limits;
    this.outbox = outbox;
    this.references = references;
  }

  /**
   * Sends what a method gave; when it cannot be sent nothing was.
   *
   * @returns the bytes of the body
   * @throws NEWEL_E_LIMIT, NEWEL_E_NOT_SENDABLE
   */
  sendValue(type: number, id: number, value: unknown, aux = 0): number {
    try {
      const body = encode(value, this.limits, this.references);
      const bytes = this.outbox.add(type, 0, 0, id, aux, body);
      this.references.commit();
      return bytes;
    } catch (error) {
      this.references.rollBack();
      throw error;
    }
  }

  /**
   * Sends a call; when it cannot be sent nothing was.
   *
   * @param aux - milliseconds until its deadline
   * @throws NEWEL_E_LIMIT, NEWEL_E_NOT_SENDABLE
   */
  sendCall(type: number, target: Target, id: number, aux: number, args: readonly unknown[]): void {
    try {
      const { method, reference } = target;
      const flags = reference === undefined ? 0 : FrameFlag.REFERENCE;
      const body = encodeArguments(args, this.limits, this.references);
      this.outbox.add(type, flags, method, id, aux, body, reference);
      this.references.commit();
    } catch (error) {
      this.references.rollBack();
      throw error;
    }
  }

  /** Sends a frame without a body. */
  signal(type: number, id: number, aux = 0): void {
    this.outbox.add(type, 0, 0, id, aux, "");
  }

  /** Answers with an error; with a smaller one if it cannot be sent as it is. */
  sendError(type: number, id: number, error: unknown): void {
    try {
      this.sendValue(type, id, error);
    } catch (reason) {
      const message = `${messageOf(error)} (its details cannot be sent: ${messageOf(reason)})`;
      const short = newelError("NEWEL_E_REMOTE", { message: message.slice(0, 4_096) });
      this.sendValue(type, id, short);
    }
  }

  value(frame: Frame): unknown {
    const isTagged = (frame.flags & FrameFlag.TAGGED) !== 0;
    return decode(frame.buffer, frame.start, frame.end, isTagged, this.limits, this.references);
  }

  closedError(why: string, cause?: unknown): Error {
    const error = newelError("NEWEL_E_CLOSED", { peer: this.peer, why }, cause);
    failures.set(error, "not made");
    return error;
  }

  /** What a call ends with whose answer did not come before the connection ended. */
  lossError(cause?: unknown): Error {
    const error = newelError("NEWEL_E_CONNECTION_LOST", { peer: this.peer }, cause);
    failures.set(error, "not answered");
    return error;
  }
}
