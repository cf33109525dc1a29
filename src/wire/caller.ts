import { newelError } from "../base/errors.ts";
import { FrameType, frameError, type Frame } from "./frames.ts";
import { IncomingStream } from "./incoming-stream.ts";
import type { Link, Target } from "./link.ts";
import { thrownValue } from "./remote-errors.ts";

/** How one call is made. */
export interface CallOptions {
  /** When it aborts the call rejects with NEWEL_E_CANCELLED, and the method's own signal aborts. */
  readonly signal?: AbortSignal;
  /** Milliseconds until the call rejects with NEWEL_E_DEADLINE and the method's signal aborts. */
  readonly timeoutMs?: number;
}

/** How many calls and streams the peer takes at once. */
export interface CallWindow {
  readonly maxCalls: number;
  readonly maxStreams: number;
}

/** Deadlines are looked at this often: one timer for a connection, not one for each call. */
const SWEEP_MS = 20;

/** A call on its way: waiting for room, or in flight under a number of its own. */
class Call {
  readonly target: Target;
  readonly args: readonly unknown[];
  /** Takes the result of a call. */
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly stream: IncomingStream | undefined;
  /** While it waits it has none. */
  id: number | undefined;
  /** The caller has its answer; the peer's may still have to come. */
  isSettled = false;
  timeoutMs = 0;
  deadlineAt = 0;
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
 * The calling half of a session. No more calls are in flight than the peer takes; the rest waits
 * here in order. A number is used again only when the peer has answered, also for a call that was
 * cancelled, so that both sides count the same.
 */
export class Caller {
  readonly #link: Link;
  readonly #slots: (Call | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #waiting: Call[] = [];
  readonly #onIdle: () => void;
  #window: CallWindow = { maxCalls: 0, maxStreams: 0 };
  #calls = 0;
  #streams = 0;
  #withDeadline = 0;
  #sweeper: NodeJS.Timeout | undefined;
  /** Why no call is taken any more. */
  #refusal: Error | undefined;

  /** @param onIdle - told when the last call was answered and no new one is taken */
  constructor(link: Link, onIdle: () => void) {
    this.#link = link;
    this.#onIdle = onIdle;
  }

  /** Calls and streams that the peer has not answered yet. */
  get inFlight(): number {
    return this.#calls + this.#streams;
  }

  /** The peer has said how much it takes. */
  open(window: CallWindow): void {
    this.#window = window;
    this.#sendWaiting();
  }

  /** Calls a method that gives one answer. */
  call(target: Target, args: readonly unknown[], options?: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#begin(new Call(target, args, resolve, reject), options);
    });
  }

  /** Calls a method that gives many answers. It is called now, not when the first item is asked for. */
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
    if (this.#waiting.length === 0 && this.#hasRoom(call)) this.#send(call);
    else this.#wait(call);
  }

  /** Sets signal and deadline; false when the call is over before it began. */
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
    if (timeoutMs !== undefined) {
      call.timeoutMs = timeoutMs;
      call.deadlineAt = performance.now() + timeoutMs;
      this.#withDeadline += 1;
      this.#sweeper ??= setInterval(
        () => this.#sweep(),
        Math.min(SWEEP_MS, Math.max(1, timeoutMs)),
      );
    }
    return true;
  }

  #hasRoom(call: Call): boolean {
    return call.stream === undefined
      ? this.#calls < this.#window.maxCalls
      : this.#streams < this.#window.maxStreams;
  }

  #wait(call: Call): void {
    const limit = this.#link.limits.maxWaiting;
    if (this.#waiting.length < limit) {
      this.#waiting.push(call);
      return;
    }
    this.#settle(call);
    call.reject(
      newelError("NEWEL_E_LIMIT", { what: "the number of waiting calls", limit, unit: "calls" }),
    );
  }

  #send(call: Call): void {
    const { target, args, stream } = call;
    const id = this.#free.pop() ?? this.#slots.length;
    const aux =
      call.deadlineAt === 0 ? 0 : Math.max(1, Math.ceil(call.deadlineAt - performance.now()));
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

  #sendWaiting(): void {
    while (this.#waiting.length > 0) {
      const index = this.#waiting.findIndex((call) => call.isSettled || this.#hasRoom(call));
      if (index < 0) return;
      const call = index === 0 ? this.#waiting.shift() : this.#waiting.splice(index, 1)[0];
      if (call !== undefined && !call.isSettled) this.#send(call);
    }
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
   * Frees the number of a call that was answered. An answer after the deadline, which the next look
   * at the deadlines would have found, is none: it may be what the method made of its own abort.
   */
  #isOver(call: Call): boolean {
    this.#release(call);
    if (!call.isSettled && call.deadlineAt !== 0 && call.deadlineAt <= performance.now())
      this.#expire(call);
    return call.isSettled;
  }

  /** The call that a frame belongs to. Its slot stays taken until the whole frame has been read. */
  #callOf(frame: Frame, isStream?: boolean): Call {
    const call = this.#slots[frame.id];
    if (call === undefined) throw frameError("an answer to no call");
    if (isStream !== undefined && isStream !== (call.stream !== undefined))
      throw frameError("an answer of the wrong kind");
    return call;
  }

  /** The peer has answered: its number is free again. */
  #release(call: Call): void {
    if (call.id === undefined) return;
    this.#slots[call.id] = undefined;
    this.#free.push(call.id);
    call.id = undefined;
    if (call.stream === undefined) this.#calls -= 1;
    else this.#streams -= 1;
    if (this.#waiting.length > 0) this.#sendWaiting();
    if (this.#refusal !== undefined && this.inFlight === 0) process.nextTick(this.#onIdle);
  }

  /** The caller has its answer: nothing watches over this call any more. */
  #settle(call: Call): void {
    call.isSettled = true;
    if (call.onAbort !== undefined) call.signal?.removeEventListener("abort", call.onAbort);
    if (call.deadlineAt === 0) return;
    this.#withDeadline -= 1;
    if (this.#withDeadline === 0) {
      clearInterval(this.#sweeper);
      this.#sweeper = undefined;
    }
  }

  #abort(call: Call, reason: unknown): void {
    if (call.isSettled) return;
    this.#cancel(call);
    call.reject(newelError("NEWEL_E_CANCELLED", { what: this.#nameOf(call) }, reason));
  }

  /** The answer is not wanted any more: the peer is told, and still answers. */
  #cancel(call: Call): void {
    if (call.isSettled) return;
    this.#settle(call);
    if (call.id !== undefined) this.#link.signal(FrameType.CANCEL, call.id);
  }

  #sweep(): void {
    const now = performance.now();
    for (const call of [...this.#slots, ...this.#waiting]) {
      if (call === undefined || call.isSettled || call.deadlineAt === 0 || call.deadlineAt > now)
        continue;
      this.#expire(call);
    }
  }

  #expire(call: Call): void {
    this.#cancel(call);
    const limitMs = call.timeoutMs;
    call.reject(newelError("NEWEL_E_DEADLINE", { what: this.#nameOf(call), limitMs }));
  }

  #nameOf(call: Call): string {
    return `The call of ${call.target.name} at ${this.#link.peer}`;
  }

  /** No new call is taken, and those that wait are refused; those in flight go on. */
  refuse(error: Error): void {
    this.#refusal ??= error;
    for (const call of this.#waiting.splice(0)) {
      if (call.isSettled) continue;
      this.#settle(call);
      call.reject(error);
    }
  }

  /** The connection is gone: what was in flight may or may not have run. */
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
