import { newelError } from "../base/errors.ts";
import { decodeArguments } from "./codec.ts";
import { runWithin, type CallContext } from "./context.ts";
import { FrameFlag, FrameType, frameError, readU32, type Frame } from "./frames.ts";
import type { MethodKind } from "./hello.ts";
import type { Link } from "./link.ts";
import { iteratorOf, OutgoingStream } from "./outgoing-stream.ts";

/** A method as the session runs it. Its index in the table is its number on the wire. */
export interface ServedMethod {
  readonly name: string;
  readonly kind: MethodKind;
  readonly run: (...args: unknown[]) => unknown;
  /** `this` of the method. */
  readonly target: unknown;
}

/** Deadlines are checked this often. */
const SWEEP_MS = 20;

/**
 * Streams that the reader left while the producer still runs may number this many times
 * `maxStreams`.
 */
const LEFT_STREAMS = 16;

/** A call of the peer that runs on this side. */
export class Incoming implements CallContext {
  readonly id: number;
  readonly name: string;
  readonly deadlineAt: number;
  readonly #link: Link;
  stream: OutgoingStream | undefined;
  /** The reader left and has its answer, but the producer still runs. */
  isLeft = false;
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  constructor(id: number, name: string, link: Link, deadlineAt: number) {
    this.id = id;
    this.name = name;
    this.#link = link;
    this.deadlineAt = deadlineAt;
  }

  get peer(): string {
    return this.#link.peer;
  }

  get disconnected(): AbortSignal {
    return this.#link.ended;
  }

  /** Created only when a method asks for it, because most methods never do. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** The reason of the cancellation, if the call was cancelled. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  cancel(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.stream?.stop();
  }
}

/**
 * The answering half of a session. Only methods of its table can run: a frame names a method by its
 * number, so the peer cannot ask for inherited or private methods. Each call is answered exactly
 * once, when its method has settled, even if the caller gave up long before.
 */
export class Callee {
  readonly #link: Link;
  readonly #methods: readonly ServedMethod[];
  readonly #running = new Map<number, Incoming>();
  readonly #onIdle: () => void;
  #streams = 0;
  /** Producers that still run although their readers left. */
  #left = 0;
  #withDeadline = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #peerWindow = 0;
  #isDraining = false;
  #endsStreams = false;
  #isLost = false;

  constructor(link: Link, methods: readonly ServedMethod[], onIdle: () => void) {
    this.#link = link;
    this.#methods = methods;
    this.#onIdle = onIdle;
  }

  /** Calls and streams that run at present. */
  get running(): number {
    return this.#running.size + this.#left;
  }

  /** The peer announced the number of stream items that it accepts unread. */
  open(streamWindow: number): void {
    this.#peerWindow = streamWindow;
  }

  onCall(frame: Frame): void {
    const { id } = frame;
    if (this.#running.has(id)) throw frameError("a call with the number of one that runs");
    const isStream = frame.type === FrameType.STREAM;
    const isReference = (frame.flags & FrameFlag.REFERENCE) !== 0;
    const method = isReference ? this.#referenced(frame) : this.#methods[frame.method];
    const args = this.#arguments(frame, isReference);
    const refusal = this.#refusal(frame, method, isStream);
    if (refusal !== undefined || method === undefined) {
      this.#link.sendError(FrameType.ERR, id, refusal);
      return;
    }
    const deadlineAt = frame.aux === 0 ? 0 : performance.now() + frame.aux;
    const incoming = new Incoming(id, method.name, this.#link, deadlineAt);
    if (isStream) this.#openStream(incoming, method, args);
    else this.#run(incoming, method, args);
  }

  #referenced(frame: Frame): ServedMethod | undefined {
    if (frame.end - frame.start < 4) throw frameError("a call of a function without its reference");
    const callback = this.#link.references.held(readU32(frame.buffer, frame.start));
    if (callback === undefined) return undefined;
    return {
      name: "a function",
      kind: "call",
      run: callback as (...args: unknown[]) => unknown,
      target: undefined,
    };
  }

  #arguments(frame: Frame, isReference: boolean): unknown[] {
    const isTagged = (frame.flags & FrameFlag.TAGGED) !== 0;
    const { limits, references } = this.#link;
    const start = isReference ? frame.start + 4 : frame.start;
    return decodeArguments(frame.buffer, start, frame.end, isTagged, limits, references);
  }

  #refusal(frame: Frame, method: ServedMethod | undefined, isStream: boolean): Error | undefined {
    // Calls that the peer made before it learned of the shutdown are answered; a stream might not
    // end.
    if (isStream && this.#endsStreams) return this.#link.closedError("it is about to close");
    if (method === undefined || (method.kind === "stream") !== isStream)
      return newelError("NEWEL_E_NO_METHOD", { method: method?.name ?? `number ${frame.method}` });
    const { maxCalls, maxStreams } = this.#link.limits;
    const [limit, now] = isStream
      ? [maxStreams, this.#streams]
      : [maxCalls, this.#running.size - this.#streams];
    if (now < limit && (!isStream || this.#left < LEFT_STREAMS * maxStreams)) return undefined;
    const what = isStream ? "the number of streams at once" : "the number of calls at once";
    return newelError("NEWEL_E_LIMIT", { what, limit, unit: isStream ? "streams" : "calls" });
  }

  #run(incoming: Incoming, method: ServedMethod, args: unknown[]): void {
    let result: unknown;
    try {
      result = runWithin(incoming, method.run, method.target, args);
    } catch (error) {
      this.#link.sendError(FrameType.ERR, incoming.id, error);
      return;
    }
    if (!isThenable(result)) {
      this.#answer(incoming, result);
      return;
    }
    this.#begin(incoming);
    result.then(
      (value) => {
        if (this.#end(incoming)) this.#answer(incoming, value);
      },
      (error: unknown) => {
        if (this.#end(incoming)) this.#link.sendError(FrameType.ERR, incoming.id, error);
      },
    );
  }

  #answer(incoming: Incoming, value: unknown): void {
    try {
      this.#link.sendValue(FrameType.OK, incoming.id, value);
    } catch (error) {
      this.#link.sendError(FrameType.ERR, incoming.id, error);
    }
  }

  #openStream(incoming: Incoming, method: ServedMethod, args: unknown[]): void {
    try {
      const iterator = iteratorOf(
        runWithin(incoming, method.run, method.target, args),
        method.name,
      );
      incoming.stream = new OutgoingStream(this.#link, incoming, iterator, this.#peerWindow);
    } catch (error) {
      this.#link.sendError(FrameType.ERR, incoming.id, error);
      return;
    }
    this.#begin(incoming);
    this.#streams += 1;
    void incoming.stream.pump().then((failure) => this.#streamEnded(incoming, failure));
  }

  #streamEnded(incoming: Incoming, failure: { readonly error: unknown } | undefined): void {
    if (incoming.isLeft) {
      this.#left -= 1;
      this.#checkIdle();
      return;
    }
    this.#streams -= 1;
    if (!this.#end(incoming)) return;
    const error = failure === undefined ? incoming.reason : failure.error;
    if (error === undefined) this.#link.signal(FrameType.END, incoming.id);
    else this.#link.sendError(FrameType.ERR, incoming.id, error);
  }

  /** The reader has enough: its permit is free again, regardless of when the producer ends. */
  #leave(incoming: Incoming, reason: Error): void {
    incoming.isLeft = true;
    this.#left += 1;
    this.#streams -= 1;
    this.#end(incoming);
    this.#link.sendError(FrameType.ERR, incoming.id, reason);
  }

  #begin(incoming: Incoming): void {
    this.#running.set(incoming.id, incoming);
    if (incoming.deadlineAt === 0) return;
    this.#withDeadline += 1;
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS);
  }

  /** The method has settled. Returns false when the caller is gone and cannot be answered. */
  #end(incoming: Incoming): boolean {
    if (this.#isLost) return false;
    this.#running.delete(incoming.id);
    if (incoming.deadlineAt !== 0) {
      this.#withDeadline -= 1;
      if (this.#withDeadline === 0) this.#stopSweeping();
    }
    this.#checkIdle();
    return true;
  }

  #checkIdle(): void {
    if (this.#isDraining && !this.#isLost && this.running === 0) process.nextTick(this.#onIdle);
  }

  onCancel(id: number): void {
    const incoming = this.#running.get(id);
    if (incoming === undefined) return;
    const reason = newelError("NEWEL_E_CANCELLED", { what: `The call of ${incoming.name}` });
    incoming.cancel(reason);
    if (incoming.stream !== undefined) this.#leave(incoming, reason);
  }

  onCredit(id: number, amount: number): void {
    this.#running.get(id)?.stream?.addCredit(amount);
  }

  /** The outbox is no longer blocked: streams continue. */
  drained(): void {
    if (this.#streams === 0) return;
    for (const incoming of this.#running.values()) incoming.stream?.wake();
  }

  #sweep(): void {
    const now = performance.now();
    for (const incoming of this.#running.values()) {
      if (incoming.deadlineAt === 0 || incoming.deadlineAt > now) continue;
      const what = `The call of ${incoming.name}`;
      incoming.cancel(newelError("NEWEL_E_CANCELLED", { what: `${what}, past its deadline,` }));
    }
  }

  #stopSweeping(): void {
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  /** From now on `onIdle` is called when no call or stream runs any more. */
  windDown(): void {
    this.#isDraining = true;
  }

  /** Does the same and ends the streams; calls may finish. */
  drain(reason: Error): void {
    this.windDown();
    this.#endsStreams = true;
    for (const incoming of this.#running.values())
      if (incoming.stream !== undefined) incoming.cancel(reason);
  }

  /** The caller is gone: all its calls and streams are cancelled. */
  lost(reason: Error): void {
    this.#isLost = true;
    this.#stopSweeping();
    const running = [...this.#running.values()];
    this.#running.clear();
    for (const incoming of running) incoming.cancel(reason);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    value instanceof Promise ||
    (typeof value === "object" &&
      value !== null &&
      "then" in value &&
      typeof value.then === "function")
  );
}
