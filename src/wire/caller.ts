import { newelError } from "../base/errors.ts";
import { Deadlines } from "./deadlines.ts";
import { FrameType, frameError, type Frame } from "./frames.ts";
import { IncomingStream } from "./incoming-stream.ts";
import type { Link, Target } from "./link.ts";
import { thrownValue } from "./remote-errors.ts";
import { WaitingCalls } from "./waiting-calls.ts";

/** How one call is made. */
export interface CallOptions {
  /** When it aborts the call rejects with NEWEL_E_CANCELLED, and the method's own signal aborts. */
  readonly signal?: AbortSignal;
  /** Milliseconds until the call rejects with NEWEL_E_DEADLINE and the method's signal aborts. */
  readonly timeoutMs?: number;
}

/** The number of calls and streams that the peer accepts at once. */
export interface CallWindow {
  readonly maxCalls: number;
  readonly maxStreams: number;
}

/** A stream waits at most this many milliseconds for a free stream permit of the peer. */
const STREAM_WAIT_MS = 10_000;
/** The header of a frame has 32 bits for a deadline. */
const MAX_DEADLINE_MS = 0xffff_ffff;

/** A call on its way: waiting for room, or in flight under its call id. */
class Call {
  readonly target: Target;
  readonly args: readonly unknown[];
  /** Takes the result of a call. */
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly stream: IncomingStream | undefined;
  /** `undefined` while the call waits. */
  id: number | undefined;
  /** The queue in which the call waits. */
  waitsIn: WaitingCalls<Call> | undefined;
  /** The caller has its answer; the answer of the peer may still arrive. */
  isSettled = false;
  timeoutMs = 0;
  deadlineAt = 0;
  /** The time until which the stream waits for a permit. */
  waitUntil = 0;
  signal: AbortSignal | undefined;
  onAbort: (() => void) | undefined;

  constructor(
    target: Target,
    args: readonly unknown[],
    resolve: (value: unknown) => void,
    reject: (error: Error) => void,
    stream?: IncomingStream,
  ) {
    this.target = target;
    this.args = args;
    this.resolve = resolve;
    this.reject = reject;
    this.stream = stream;
  }
}

/**
 * The calling half of a session. At most as many calls and streams are in flight as the peer
 * accepts; the others wait here in order, calls separately from streams. A call id is used again
 * only when the peer has answered, even if the call was cancelled, so that both sides count the
 * same.
 */
export class Caller {
  readonly #link: Link;
  readonly #slots: (Call | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #waitingCalls = new WaitingCalls<Call>();
  readonly #waitingStreams = new WaitingCalls<Call>();
  readonly #deadlines = new Deadlines<Call>((call) => this.#expire(call));
  readonly #streamWaits = new Deadlines<Call>((call) => this.#refuseStream(call));
  readonly #onIdle: () => void;
  #window: CallWindow = { maxCalls: 0, maxStreams: 0 };
  #calls = 0;
  #streams = 0;
  #isSending = false;
  /** The reason why new calls are refused. */
  #refusal: Error | undefined;

  /** @param onIdle - called when the last call was answered and new calls are refused */
  constructor(link: Link, onIdle: () => void) {
    this.#link = link;
    this.#onIdle = onIdle;
  }

  /** Calls and streams that the peer has not answered yet. */
  get inFlight(): number {
    return this.#calls + this.#streams;
  }

  /** The peer announced its limits. */
  open(window: CallWindow): void {
    this.#window = window;
    this.#sendWaiting(this.#waitingCalls);
    this.#sendWaiting(this.#waitingStreams);
  }

  /** Calls a method that gives one result. */
  call(target: Target, args: readonly unknown[], options?: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#begin(new Call(target, args, resolve, reject), options);
    });
  }

  /**
   * Calls a method that gives many results. The call is made now, not when the first item is
   * requested.
   */
  stream(
    target: Target,
    args: readonly unknown[],
    options?: CallOptions,
  ): AsyncIterableIterator<unknown> {
    const stream = new IncomingStream(this.#link.limits.streamWindow, {
      credit: (amount) => {
        if (call.id !== undefined && !call.isSettled)
          this.#link.signal(FrameType.CREDIT, call.id, amount);
      },
      cancel: () => this.#cancel(call),
    });
    const call = new Call(
      target,
      args,
      () => undefined,
      (error) => stream.fail(error),
      stream,
    );
    this.#begin(call, options);
    return stream;
  }

  #begin(call: Call, options: CallOptions | undefined): void {
    if (this.#refusal !== undefined) {
      this.#settle(call);
      call.reject(this.#refusal);
      return;
    }
    if (options !== undefined && !this.#arm(call, options)) return;
    const waiting = call.stream === undefined ? this.#waitingCalls : this.#waitingStreams;
    if (waiting.size === 0 && this.#hasRoom(call.stream !== undefined)) this.#send(call);
    else this.#wait(call, waiting);
  }

  /** Sets signal and deadline. Returns false when the call ended before it began. */
  #arm(call: Call, { signal, timeoutMs }: CallOptions): boolean {
    if (signal?.aborted === true) {
      this.#abort(call, signal.reason);
      return false;
    }
    if (signal !== undefined) {
      call.signal = signal;
      call.onAbort = () => this.#abort(call, signal.reason);
      signal.addEventListener("abort", call.onAbort, { once: true });
    }
    if (timeoutMs !== undefined && timeoutMs !== Number.POSITIVE_INFINITY) {
      call.timeoutMs = timeoutMs;
      // A time limit that is not a number counts as expired, like a negative limit.
      call.deadlineAt = performance.now() + Math.max(0, timeoutMs || 0);
      this.#deadlines.add(call, call.deadlineAt);
    }
    return true;
  }

  #hasRoom(isStream: boolean): boolean {
    return isStream ? this.#streams < this.#window.maxStreams : this.#calls < this.#window.maxCalls;
  }

  #wait(call: Call, waiting: WaitingCalls<Call>): void {
    const limit = this.#link.limits.maxWaiting;
    if (waiting.size >= limit) {
      this.#settle(call);
      call.reject(
        newelError("NEWEL_E_LIMIT", { what: "the number of waiting calls", limit, unit: "calls" }),
      );
      return;
    }
    call.waitsIn = waiting;
    waiting.push(call);
    if (call.stream === undefined) return;
    call.waitUntil = performance.now() + STREAM_WAIT_MS;
    this.#streamWaits.add(call, call.waitUntil);
  }

  /** All stream permits were in use for the whole waiting time of this stream. */
  #refuseStream(call: Call): void {
    if (call.waitsIn === undefined || call.isSettled) return;
    this.#settle(call);
    call.reject(
      newelError("NEWEL_E_LIMIT", {
        what: `the number of streams that ${this.#link.peer} has open for one connection`,
        limit: this.#window.maxStreams,
        unit: "streams",
      }),
    );
  }

  #send(call: Call): void {
    const { target, args, stream } = call;
    const id = this.#free.pop() ?? this.#slots.length;
    const aux =
      call.deadlineAt === 0
        ? 0
        : Math.min(MAX_DEADLINE_MS, Math.max(1, Math.ceil(call.deadlineAt - performance.now())));
    const type = stream === undefined ? FrameType.CALL : FrameType.STREAM;
    this.#slots[id] = call;
    call.id = id;
    if (stream === undefined) this.#calls += 1;
    else this.#streams += 1;
    try {
      this.#link.sendCall(type, target, id, aux, args);
    } catch (error) {
      this.#release(call);
      this.#settle(call);
      call.reject(thrownValue(error));
    }
  }

  /**
   * Sends waiting calls while there is room. It is a loop because a call that cannot be sent frees
   * its room immediately.
   */
  #sendWaiting(waiting: WaitingCalls<Call>): void {
    if (this.#isSending || waiting.size === 0) return;
    this.#isSending = true;
    const isStream = waiting === this.#waitingStreams;
    while (waiting.size > 0 && this.#hasRoom(isStream)) {
      const call = waiting.shift();
      if (call === undefined) break;
      this.#leaveQueue(call);
      this.#send(call);
    }
    this.#isSending = false;
  }

  #leaveQueue(call: Call): void {
    call.waitsIn = undefined;
    if (call.waitUntil !== 0) this.#streamWaits.delete(call, call.waitUntil);
  }

  /** The peer answered a call. */
  onOk(frame: Frame): void {
    const call = this.#callOf(frame, false);
    const value = this.#link.value(frame);
    if (this.#isOver(call)) return;
    this.#settle(call);
    call.resolve(value);
  }

  /** A call or stream failed. */
  onError(frame: Frame): void {
    const call = this.#callOf(frame);
    const error = thrownValue(this.#link.value(frame));
    if (this.#isOver(call)) return;
    this.#settle(call);
    call.reject(error);
  }

  onItem(frame: Frame): void {
    const call = this.#callOf(frame, true);
    const value = this.#link.value(frame);
    if (!call.isSettled) call.stream?.push(value, frame.end - frame.start);
  }

  onEnd(frame: Frame): void {
    const call = this.#callOf(frame, true);
    if (this.#isOver(call)) return;
    this.#settle(call);
    call.stream?.end();
  }

  /**
   * Frees the id of a call that was answered. An answer that arrives after the deadline, but before
   * the deadline check has found it, is discarded: the method may have produced it from its own
   * abort.
   */
  #isOver(call: Call): boolean {
    this.#release(call);
    if (!call.isSettled && call.deadlineAt !== 0 && call.deadlineAt <= performance.now())
      this.#expire(call);
    return call.isSettled;
  }

  /**
   * The call to which a frame belongs. Its slot stays taken until the whole frame has been read.
   */
  #callOf(frame: Frame, isStream?: boolean): Call {
    const call = this.#slots[frame.id];
    if (call === undefined) throw frameError("an answer to no call");
    if (isStream !== undefined && isStream !== (call.stream !== undefined))
      throw frameError("an answer of the wrong kind");
    return call;
  }

  /** The peer has answered: the call id is free again. */
  #release(call: Call): void {
    if (call.id === undefined) return;
    this.#slots[call.id] = undefined;
    this.#free.push(call.id);
    call.id = undefined;
    if (call.stream === undefined) this.#calls -= 1;
    else this.#streams -= 1;
    this.#sendWaiting(call.stream === undefined ? this.#waitingCalls : this.#waitingStreams);
    if (this.#refusal !== undefined && this.inFlight === 0) process.nextTick(this.#onIdle);
  }

  /** The caller has its answer: deadline and signal no longer apply to this call. */
  #settle(call: Call): void {
    call.isSettled = true;
    if (call.onAbort !== undefined) call.signal?.removeEventListener("abort", call.onAbort);
    if (call.deadlineAt !== 0) this.#deadlines.delete(call, call.deadlineAt);
    const waiting = call.waitsIn;
    if (waiting === undefined) return;
    this.#leaveQueue(call);
    waiting.settled();
  }

  #abort(call: Call, reason: unknown): void {
    if (call.isSettled) return;
    this.#cancel(call);
    call.reject(newelError("NEWEL_E_CANCELLED", { what: this.#nameOf(call) }, reason));
  }

  /** The caller does not want the answer any more: the peer is notified, and still answers. */
  #cancel(call: Call): void {
    if (call.isSettled) return;
    this.#settle(call);
    if (call.id !== undefined) this.#link.signal(FrameType.CANCEL, call.id);
  }

  #expire(call: Call): void {
    if (call.isSettled) return;
    this.#cancel(call);
    const limitMs = call.timeoutMs;
    call.reject(newelError("NEWEL_E_DEADLINE", { what: this.#nameOf(call), limitMs }));
  }

  #nameOf(call: Call): string {
    return `The call of ${call.target.name} at ${this.#link.peer}`;
  }

  /** Refuses new calls and the calls that wait; calls in flight continue. */
  refuse(error: Error): void {
    this.#refusal ??= error;
    for (const waiting of [this.#waitingCalls, this.#waitingStreams])
      for (const call of waiting.drain()) {
        this.#leaveQueue(call);
        this.#settle(call);
        call.reject(error);
      }
  }

  /** The connection is lost: the calls in flight may or may not have run. */
  lost(refusal: Error, loss: Error): void {
    this.refuse(refusal);
    for (const call of this.#slots.splice(0)) {
      if (call === undefined || call.isSettled) continue;
      this.#settle(call);
      call.reject(loss);
    }
    this.#calls = 0;
    this.#streams = 0;
  }
}
