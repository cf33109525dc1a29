import { messageOf, newelError } from "../base/errors.ts";
import { decode, encode } from "./codec.ts";
import { FrameFlag, type Frame } from "./frames.ts";
import type { WireLimits } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import type { ReferenceTable } from "./references.ts";
import type { Encoded } from "./tagged.ts";

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
   * Sends a frame; when it cannot be sent nothing was.
   *
   * @returns the bytes of its body
   * @throws NEWEL_E_LIMIT, NEWEL_E_NOT_SENDABLE
   */
  send(
    type: number,
    method: number,
    id: number,
    aux: number,
    body: () => Encoded,
    reference?: number,
  ): number {
    try {
      const flags = reference === undefined ? 0 : FrameFlag.REFERENCE;
      const bytes = this.outbox.add(type, flags, method, id, aux, body(), reference);
      this.references.commit();
      return bytes;
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
      this.send(type, 0, id, 0, () => encode(error, this.limits));
    } catch (reason) {
      const message = `${messageOf(error)} (its details cannot be sent: ${messageOf(reason)})`;
      const short = newelError("NEWEL_E_REMOTE", { message: message.slice(0, 4_096) });
      this.send(type, 0, id, 0, () => encode(short, this.limits));
    }
  }

  value(frame: Frame): unknown {
    const isTagged = (frame.flags & FrameFlag.TAGGED) !== 0;
    return decode(frame.buffer, frame.start, frame.end, isTagged, this.limits, this.references);
  }

  closedError(why: string, cause?: unknown): Error {
    return newelError("NEWEL_E_CLOSED", { peer: this.peer, why }, cause);
  }
}
