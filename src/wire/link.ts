import { newelError } from "../base/errors.ts";
import { decode, encode, encodeArguments } from "./codec.ts";
import { FrameFlag, type Frame } from "./frames.ts";
import { DEFAULT_LIMITS, type WireLimits } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import type { ReferenceTable } from "./references.ts";
import { bareError, thrownValue } from "./remote-errors.ts";
import { encodeThrown } from "./tagged-writer.ts";
import type { CodecLimits } from "./tagged.ts";

/**
 * The target of a call: a method by its number in the peer's table, or a function by its reference.
 */
export interface Target {
  readonly method: number;
  readonly name: string;
  readonly reference?: number;
}

const failures = new WeakMap<object, "not made" | "not answered">();

/**
 * Whether the connection failed a call, and how; `undefined` for any other error, even for an error
 * with the same code that a method threw on the other side.
 */
export function connectionFailure(error: unknown): "not made" | "not answered" | undefined {
  return error instanceof Error ? failures.get(error) : undefined;
}

/**
 * The shared part of the two halves of a session (caller.ts, callee.ts): the outbox, the codec and
 * the limits of one connection.
 */
export class Link {
  readonly peer: string;
  readonly limits: WireLimits;
  /** The limits of the peer for values sent to it; the defaults until its HELLO has arrived. */
  peerLimits: CodecLimits = DEFAULT_LIMITS;
  readonly outbox: Outbox;
  readonly references: ReferenceTable;
  #end: AbortController | undefined;
  #endReason: Error | undefined;

  constructor(peer: string, limits: WireLimits, outbox: Outbox, references: ReferenceTable) {
    this.peer = peer;
    this.limits = limits;
    this.outbox = outbox;
    this.references = references;
  }

  /**
   * Sends the result of a method; a result that cannot be sent leaves no trace on the connection.
   *
   * @returns the bytes of the body
   * @throws NEWEL_E_LIMIT, NEWEL_E_NOT_SENDABLE
   */
  sendValue(type: number, id: number, value: unknown, aux = 0): number {
    try {
      const body = encode(value, this.peerLimits, this.references);
      const bytes = this.outbox.add(type, 0, 0, id, aux, body);
      this.references.commit();
      return bytes;
    } catch (error) {
      this.references.rollBack();
      throw error;
    }
  }

  /**
   * Sends a call; a call that cannot be sent leaves no trace on the connection.
   *
   * @param aux - milliseconds until its deadline
   * @throws NEWEL_E_LIMIT, NEWEL_E_NOT_SENDABLE
   */
  sendCall(type: number, target: Target, id: number, aux: number, args: readonly unknown[]): void {
    try {
      const { method, reference } = target;
      const flags = reference === undefined ? 0 : FrameFlag.REFERENCE;
      const body = encodeArguments(args, this.peerLimits, this.references);
      this.outbox.add(type, flags, method, id, aux, body, reference);
      this.references.commit();
    } catch (error) {
      this.references.rollBack();
      throw error;
    }
  }

  /** Aborts when the connection has ended. Created only when a method asks for it. */
  get ended(): AbortSignal {
    if (this.#end === undefined) {
      this.#end = new AbortController();
      if (this.#endReason !== undefined) this.#end.abort(this.#endReason);
    }
    return this.#end.signal;
  }

  /** The connection has ended. */
  finish(reason: Error): void {
    this.#endReason ??= reason;
    this.#end?.abort(reason);
  }

  /** Sends a frame without a body. */
  signal(type: number, id: number, aux = 0): void {
    this.outbox.add(type, 0, 0, id, aux, "");
  }

  /**
   * Answers with an error. Details that cannot be sent are left out, but never name, message and
   * stack.
   */
  sendError(type: number, id: number, thrown: unknown): void {
    const error = thrownValue(thrown);
    try {
      this.outbox.add(type, 0, 0, id, 0, encodeThrown(error, this.peerLimits));
    } catch {
      this.outbox.add(type, 0, 0, id, 0, encodeThrown(bareError(error), this.peerLimits));
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

  /** The error of a call whose answer did not arrive before the connection ended. */
  lossError(cause?: unknown): Error {
    const error = newelError("NEWEL_E_CONNECTION_LOST", { peer: this.peer }, cause);
    failures.set(error, "not answered");
    return error;
  }
}
