import { messageOf, newelError } from "../base/errors.ts";
import { nextState, type Transitions } from "../base/machine.ts";
import { anotherProgram } from "./another-program.ts";
import { Callee, type ServedMethod } from "./callee.ts";
import { Caller } from "./caller.ts";
import { FrameReader, FrameType, frameError, PROTOCOL_VERSION, type Frame } from "./frames.ts";
import { MAX_HELLO_BYTES, readHello, toldLimits, type Hello } from "./hello.ts";
import { withDefaults, type WireLimits } from "./limits.ts";
import { Link } from "./link.ts";
import { Outbox } from "./outbox.ts";
import { ReferenceTable } from "./references.ts";
import type { Transport } from "./transport.ts";
import { Vigil } from "./vigil.ts";

/** The options of one side of a connection. */
export interface SessionOptions {
  /** The contract whose methods the peer may call here. */
  readonly serves?: Identity & { readonly methods: readonly ServedMethod[] };
  /** The contract the peer must serve. */
  readonly expects?: Identity;
  readonly limits?: Partial<WireLimits>;
  /**
   * The side that accepted the connection stops reading from a peer that does not read its answers.
   */
  readonly isServer?: boolean;
  /** The peer gets this error in place of a HELLO, once its own HELLO was read. */
  readonly refusal?: Error;
}

interface Identity {
  readonly name: string;
  readonly version: number;
}

/**
 * opening: HELLO of the peer has not arrived. open: calls go both ways. draining: no new calls, the
 * running ones are answered. closed: the transport is closed or about to close; nothing is read any
 * more.
 */
type State = "opening" | "open" | "draining" | "closed";
type Event = "hello" | "drain" | "end";

const TRANSITIONS: Transitions<State, Event> = {
  opening: { hello: "open", end: "closed" },
  open: { drain: "draining", end: "closed" },
  draining: { drain: "draining", end: "closed" },
  closed: {},
};

/** Grace for calls that were in flight when the peer learned that this side ends. */
const LAST_CALLS_MS = 300;

/** After this time a peer that does not read is disconnected. */
const LINGER_MS = 1_000;

/**
 * One connection: calls and streams in both directions over a transport. A peer that breaks the
 * protocol loses its connection, with no other effect.
 */
export class Session {
  readonly caller: Caller;
  /** Settles when the peer has sent a matching HELLO, with the methods that it serves. */
  readonly ready: Promise<NonNullable<Hello["serves"]>["methods"]>;
  /** Resolves when the connection has ended, with the reason if this side did not end it. */
  readonly closed: Promise<Error | undefined>;
  readonly #transport: Transport;
  readonly #options: SessionOptions;
  readonly #limits: WireLimits;
  readonly #link: Link;
  readonly #outbox: Outbox;
  readonly #callee: Callee;
  readonly #reader: FrameReader;
  readonly #vigil: Vigil;
  readonly #readiness = Promise.withResolvers<NonNullable<Hello["serves"]>["methods"]>();
  readonly #closing = Promise.withResolvers<Error | undefined>();
  #state: State = "opening";
  #reason: Error | undefined;
  #isPaused = false;
  #isLastToEnd = false;

  constructor(transport: Transport, options: SessionOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#limits = withDefaults(options.limits);
    this.#outbox = new Outbox(transport, this.#limits.maxBacklogBytes, (error) => this.fail(error));
    const references = new ReferenceTable(this.#limits.maxReferences, {
      call: (id, args) => this.caller.call({ method: 0, name: "a function", reference: id }, args),
      release: (id, count) => this.#release(id, count),
    });
    this.#link = new Link(transport.peer, this.#limits, this.#outbox, references);
    this.caller = new Caller(this.#link, () => this.#endIfDone());
    this.#callee = new Callee(this.#link, options.serves?.methods ?? [], () => this.#endIfDone());
    this.#reader = new FrameReader(MAX_HELLO_BYTES, (frame) => this.#onFrame(frame));
    this.#vigil = new Vigil(this.#limits, {
      heldFrame: () => this.#reader.heldFrame,
      ping: () => this.#link.signal(FrameType.PING, 0),
      overdue: (error) => this.fail(error),
    });
    this.ready = this.#readiness.promise;
    this.closed = this.#closing.promise;
    // A caller that does not await readiness learns of the failure through `closed`.
    this.ready.catch(() => undefined);
    if (options.refusal === undefined) this.#sayHello();
    transport.start({
      bytes: (chunk) => this.#onBytes(chunk),
      drained: () => this.#onDrained(),
      closed: (error) => this.#onClosed(error),
    });
  }

  /** Functions held for the peer, and calls and streams that run: for status and tests. */
  get load(): { readonly held: number; readonly running: number; readonly inFlight: number } {
    return {
      held: this.#link.references.heldCount,
      running: this.#callee.running,
      inFlight: this.caller.inFlight,
    };
  }

  /**
   * Ends the connection: no new calls; the running calls, and those that the peer made before it
   * learned of this, are answered, for at most `graceMs`. The peer then closes the connection.
   */
  async close(graceMs = 0): Promise<void> {
    if (this.#state !== "closed") {
      const error = this.#link.closedError("it was closed here");
      this.caller.refuse(error);
      this.#callee.drain(this.#link.closedError("the peer is closing"));
      const wasOpen = this.#state === "open";
      this.#move("drain");
      if (wasOpen && graceMs > 0) {
        this.#link.signal(FrameType.GOAWAY, 0);
        const timer = setTimeout(() => this.#end(), graceMs);
        // A peer that has nothing in flight and still does not close is not waited for.
        const early = setTimeout(
          () => {
            if (this.#callee.running === 0) this.#end();
          },
          Math.min(graceMs, LAST_CALLS_MS),
        );
        void this.closed.then(() => {
          clearTimeout(timer);
          clearTimeout(early);
        });
      } else {
        this.#end();
      }
    }
    await this.closed;
  }

  /**
   * The peer broke the protocol, or cannot be waited for: it gets the reason, and is disconnected.
   */
  fail(error: Error): void {
    if (this.#state === "closed") return;
    this.#reason ??= error;
    this.#link.sendError(FrameType.GOAWAY, 0, error);
    this.#end();
  }

  #sayHello(): void {
    const { serves, expects } = this.#options;
    const hello: Hello = {
      limits: toldLimits(this.#limits),
      ...(serves === undefined
        ? {}
        : {
            serves: {
              name: serves.name,
              version: serves.version,
              methods: serves.methods.map(({ name, kind }) => [name, kind] as const),
            },
          }),
      ...(expects === undefined
        ? {}
        : { expects: { name: expects.name, version: expects.version } }),
    };
    this.#link.sendValue(FrameType.HELLO, 0, hello, PROTOCOL_VERSION);
  }

  #onBytes(chunk: Buffer): void {
    if (this.#state === "closed") return;
    const foreign = this.#state === "opening" ? anotherProgram(chunk) : undefined;
    if (foreign !== undefined) {
      this.fail(foreign);
      return;
    }
    this.#read(() => this.#reader.push(chunk));
    this.#vigil.heard();
  }

  /**
   * Reads frames within one turn; the frames that this side writes in response are sent at its end.
   */
  #read(frames: () => void): void {
    this.#outbox.beginTurn();
    try {
      frames();
    } catch (error) {
      this.fail(error instanceof Error ? error : frameError(messageOf(error)));
      return;
    }
    this.#outbox.endTurn();
    this.#resume();
  }

  /** Stops reading calls of a client that does not read its answers. */
  #pauseIfFull(): void {
    if (this.#options.isServer !== true || this.#isPaused) return;
    if (this.#outbox.backlogBytes <= this.#limits.highWaterBytes) return;
    this.#isPaused = true;
    this.#transport.pause();
    this.#reader.pause();
  }

  #resume(): void {
    if (!this.#isPaused || this.#outbox.backlogBytes > this.#limits.highWaterBytes) return;
    this.#isPaused = false;
    this.#transport.resume();
    this.#read(() => this.#reader.resume());
  }

  #onDrained(): void {
    this.#outbox.drained();
    this.#vigil.heard();
    this.#resume();
    if (!this.#outbox.isBlocked) this.#callee.drained();
  }

  #onFrame(frame: Frame): void {
    if (this.#state === "opening") {
      if (frame.type === FrameType.HELLO) this.#onHello(frame);
      else if (frame.type === FrameType.GOAWAY) this.#onGoAway(frame);
      else throw frameError("another frame before HELLO");
      return;
    }
    switch (frame.type) {
      case FrameType.CALL:
      case FrameType.STREAM:
        this.#callee.onCall(frame);
        return this.#pauseIfFull();
      case FrameType.OK:
        return this.caller.onOk(frame);
      case FrameType.ITEM:
        return this.caller.onItem(frame);
      case FrameType.ERR:
        return this.caller.onError(frame);
      case FrameType.END:
        return this.caller.onEnd(frame);
      case FrameType.CANCEL:
        return this.#callee.onCancel(frame.id);
      case FrameType.CREDIT:
        return this.#callee.onCredit(frame.id, frame.aux);
      case FrameType.RELEASE:
        return this.#link.references.release(frame.id, frame.aux);
      case FrameType.PING:
        return this.#link.signal(FrameType.PONG, 0);
      case FrameType.PONG:
        return;
      case FrameType.GOAWAY:
        return this.#onGoAway(frame);
      default:
        throw frameError("a second HELLO");
    }
  }

  #onHello(frame: Frame): void {
    // Not earlier: a socket that is closed with unread data is reset, and the reason lost.
    if (this.#options.refusal !== undefined) throw this.#options.refusal;
    const hello = readHello(frame.aux, () => this.#link.value(frame));
    const { serves, expects } = this.#options;
    // Either side may be the newer one: both check, so that each gets an error that names both
    // versions.
    checkIdentity(expects, hello.serves);
    checkIdentity(hello.expects, serves, true);
    this.#move("hello");
    this.#vigil.greeted();
    this.#reader.maxFrameBytes = this.#limits.maxFrameBytes;
    this.#outbox.peerMaxFrameBytes = hello.limits.maxFrameBytes;
    this.#link.peerLimits = hello.limits;
    this.#link.references.peerLimit = hello.limits.maxReferences;
    this.#callee.open(hello.limits.streamWindow);
    this.#readiness.resolve(hello.serves?.methods ?? []);
    this.caller.open(hello.limits);
  }

  /** The peer accepts no more calls: it is closing, or this side broke a rule. */
  #onGoAway(frame: Frame): void {
    const value = frame.start === frame.end ? undefined : this.#link.value(frame);
    const cause = value instanceof Error ? value : undefined;
    if (cause !== undefined || this.#state === "opening") {
      this.#reason ??= cause;
      this.#end();
      return;
    }
    this.caller.refuse(this.#link.closedError("the peer is closing"));
    this.#move("drain");
    this.#callee.windDown();
    this.#isLastToEnd = true;
    this.#endIfDone();
  }

  /**
   * The peer wants to close: the connection closes when nothing is in flight in either direction.
   */
  #endIfDone(): void {
    if (this.#state !== "draining" || !this.#isLastToEnd) return;
    if (this.#callee.running === 0 && this.caller.inFlight === 0) this.#end();
  }

  #release(id: number, count: number): void {
    if (this.#state !== "closed") this.#link.signal(FrameType.RELEASE, id, count);
  }

  #onClosed(error: Error | undefined): void {
    if (error !== undefined) this.#reason ??= error;
    this.#finish();
    this.#closing.resolve(this.#reason);
  }

  /** Sends the waiting frames, then closes the transport; `closed` follows. */
  #end(): void {
    this.#outbox.flush();
    this.#finish();
    this.#transport.close();
    const timer = setTimeout(() => this.#transport.abort(), LINGER_MS);
    void this.closed.then(() => clearTimeout(timer));
  }

  /** Ends all calls and streams of both halves. */
  #finish(): void {
    if (this.#state === "closed") return;
    const wasOpening = this.#state === "opening";
    this.#move("end");
    this.#reader.stop();
    this.#vigil.end();
    const loss = this.#link.lossError(this.#reason);
    this.caller.lost(this.#link.closedError("it has ended", this.#reason), loss);
    this.#callee.lost(loss);
    this.#link.references.clear();
    this.#link.finish(loss);
    this.#outbox.close();
    if (wasOpening) this.#readiness.reject(this.#reason ?? loss);
  }

  #move(event: Event): void {
    this.#state = nextState(TRANSITIONS, this.#state, event) ?? this.#state;
  }
}

/** @throws NEWEL_E_VERSION_SKEW */
function checkIdentity(
  wanted: Identity | undefined,
  served: Identity | undefined,
  isOurs = false,
): void {
  if (wanted === undefined) return;
  if (served?.name === wanted.name && served.version === wanted.version) return;
  const [theirs, ours] = isOurs ? [wanted, served] : [served, wanted];
  throw newelError("NEWEL_E_VERSION_SKEW", { theirs: nameOf(theirs), ours: nameOf(ours) });
}

function nameOf(identity: Identity | undefined): string {
  return identity === undefined ? "(none)" : `${identity.name}/${identity.version}`;
}
