import { newelError } from "../base/errors.ts";
import { frameError } from "./frames.ts";
import type { WireLimits } from "./limits.ts";

export interface VigilWork {
  /** The serial number of the frame that has begun and is not complete; 0 when there is none. */
  readonly heldFrame: () => number;
  readonly ping: () => void;
  /** The peer counts as lost. */
  readonly overdue: (error: Error) => void;
}

/** After this many heartbeat intervals of silence the peer counts as lost. */
export const LOST_AFTER_BEATS = 4;
/** The limit of a frame is checked this many times before it expires. */
const FRAME_CHECKS = 4;

/**
 * Checks that the peer sends HELLO in time, that it finishes the frames it begins, and (if a
 * heartbeat is set) that it answers. A limit counts as expired only when a second check finds it
 * so: after this process itself was delayed, bytes that the peer sent in time may still wait to be
 * read.
 */
export class Vigil {
  readonly #limits: WireLimits;
  readonly #work: VigilWork;
  #hello: NodeJS.Timeout | undefined;
  #frame: NodeJS.Timeout | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #heldFrame = 0;
  #frameChecks = 0;
  #silentBeats = 0;

  constructor(limits: WireLimits, work: VigilWork) {
    this.#limits = limits;
    this.#work = work;
    this.#hello = setTimeout(() => {
      this.#hello = setTimeout(() => this.#noHello(), 1);
    }, limits.helloMs);
  }

  #noHello(): void {
    this.#work.overdue(
      newelError("NEWEL_E_DEADLINE", { what: "HELLO of the peer", limitMs: this.#limits.helloMs }),
    );
  }

  /** HELLO has arrived. */
  greeted(): void {
    clearTimeout(this.#hello);
    const { heartbeatMs } = this.#limits;
    if (heartbeatMs === 0) return;
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs);
    this.#heartbeat.unref();
  }

  /** Bytes arrived, or the peer read some. */
  heard(): void {
    this.#silentBeats = 0;
    if (this.#frame !== undefined) return;
    this.#heldFrame = this.#work.heldFrame();
    if (this.#heldFrame === 0) return;
    this.#frameChecks = 0;
    this.#frame = setInterval(() => this.#checkFrame(), this.#limits.frameMs / FRAME_CHECKS);
    this.#frame.unref();
  }

  #checkFrame(): void {
    const held = this.#work.heldFrame();
    if (held === 0) {
      clearInterval(this.#frame);
      this.#frame = undefined;
      return;
    }
    this.#frameChecks = held === this.#heldFrame ? this.#frameChecks + 1 : 0;
    this.#heldFrame = held;
    if (this.#frameChecks > FRAME_CHECKS)
      this.#work.overdue(frameError(`a frame that was not whole after ${this.#limits.frameMs} ms`));
  }

  #beat(): void {
    this.#silentBeats += 1;
    if (this.#silentBeats >= LOST_AFTER_BEATS)
      this.#work.overdue(
        newelError("NEWEL_E_DEADLINE", {
          what: "a sign of life of the peer",
          limitMs: this.#limits.heartbeatMs * LOST_AFTER_BEATS,
        }),
      );
    else if (this.#silentBeats > 1) this.#work.ping();
  }

  end(): void {
    clearTimeout(this.#hello);
    clearInterval(this.#frame);
    clearInterval(this.#heartbeat);
  }
}
