import type { ServedMethod } from "../../src/wire/callee.ts";
import { callContext } from "../../src/wire/context.ts";
import { FrameFlag, FrameType } from "../../src/wire/frames.ts";
import { Session } from "../../src/wire/session.ts";
import type { Receiver, Transport } from "../../src/wire/transport.ts";
import { answerReader, codeOf, frame, HELLO, tagged } from "./hostile-peer.ts";

/** Numbers from 0 to below 1 that are the same for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const METHODS: readonly ServedMethod[] = [
  { name: "echo", kind: "call", target: undefined, run: (...args) => args },
  {
    name: "fail",
    kind: "call",
    target: undefined,
    run: () => {
      throw new TypeError("on purpose");
    },
  },
  {
    name: "hang",
    kind: "call",
    target: undefined,
    run: () => {
      const { signal } = callContext();
      return new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
      });
    },
  },
  {
    name: "later",
    kind: "call",
    target: undefined,
    run: async (first, callback) => {
      await Promise.resolve();
      return typeof callback === "function"
        ? (callback as (value: unknown) => unknown)(first)
        : first;
    },
  },
  {
    name: "count",
    kind: "stream",
    target: undefined,
    async *run() {
      for (let number = 0; ; number += 1) yield number;
    },
  },
  {
    name: "quick",
    kind: "stream",
    target: undefined,
    *run() {
      for (let number = 0; ; number += 1) yield number;
    },
  },
];

const CALLER_TYPES: readonly number[] = [
  ...Array.from({ length: 8 }, () => FrameType.CALL),
  FrameType.STREAM,
  FrameType.CANCEL,
  FrameType.CREDIT,
  FrameType.RELEASE,
  FrameType.PING,
  FrameType.PONG,
];
const ALL_TYPES: readonly number[] = Object.values(FrameType);

const BODIES: readonly Buffer[] = [
  "",
  "[]",
  '[1,"two",{"three":[4]}]',
  '[{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}]',
  '[1e999,-0,"\\ud800"]',
].map((text) => Buffer.from(text));

const BAD_BODIES: readonly Buffer[] = [
  '{"a":1}',
  "null",
  `[${"[".repeat(150)}${"]".repeat(150)}]`,
  "[1,",
].map((text) => Buffer.from(text));

const TAGGED_BODIES: readonly Buffer[] = [
  tagged(
    '[{"$":"undefined"},{"$":"number","v":"NaN"},{"$":"bigint","v":"-12345678901234567890"},{"$":"ref","v":0}]',
  ),
  tagged(
    '[{"$":"date","v":0},{"$":"map","v":[[1,{"$":"set","v":[1,1]}]]},{"$":"object","v":[["$",1]]}]',
  ),
  tagged(
    '[{"$":"error","v":{"name":"NewelError","message":"m","stack":"s","properties":{"code":"NEWEL_E_LIMIT","fix":"f"}}}]',
  ),
  tagged('[1,{"$":"function","v":3}]'),
  tagged('[{"$":"regexp","v":["a+","gi"]},{"$":"list","v":[3,{"1":{"$":"boxed","v":1}}]}]'),
  tagged('[{"$":"bytes","v":[0,"Buffer"]},{"$":"bytes","v":[1,"Float64Array"]}]', [
    Buffer.from("bytes"),
    Buffer.alloc(16),
  ]),
];

/** Makes frames that are random, or valid frames that were then mutated. */
class FrameFuzzer {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomNumbers(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** A frame, and whether its length is wrong, so that the next bytes are read as part of it. */
  next(): { readonly bytes: Buffer; readonly swallows: boolean } {
    const kind = this.below(60);
    if (kind === 0) return { bytes: this.#bytes(1 + this.below(64)), swallows: true };
    const whole = this.#frame();
    if (kind === 1) return { bytes: whole.subarray(0, this.below(whole.length)), swallows: true };
    if (kind === 2) {
      whole.writeUInt32LE(this.below(2) === 0 ? 0xffff_ffff : this.below(70_000_000), 0);
      return { bytes: whole, swallows: true };
    }
    return { bytes: kind < 50 ? whole : this.#flip(whole), swallows: false };
  }

  #frame(): Buffer {
    const isTagged = this.below(2) === 0;
    const bodies = this.below(40) === 0 ? BAD_BODIES : BODIES;
    const body = this.#oneOf(isTagged ? TAGGED_BODIES : bodies);
    const type = this.#oneOf(this.below(60) === 0 ? ALL_TYPES : CALLER_TYPES);
    const isReference = this.below(12) === 0;
    const flags = (isTagged ? FrameFlag.TAGGED : 0) | (isReference ? FrameFlag.REFERENCE : 0);
    const method = this.below(20) === 0 ? this.below(65_536) : this.below(METHODS.length);
    const aux = this.below(3) === 0 ? this.below(200) : 0;
    const prefix = Buffer.from([this.below(4), 0, 0, 0]);
    return frame(type, isReference ? Buffer.concat([prefix, body]) : body, {
      flags,
      method,
      id: this.below(100_000),
      aux,
    });
  }

  #flip(whole: Buffer): Buffer {
    const count = 1 + this.below(3);
    // Beyond the length, which is mutated separately above.
    for (let flip = 0; flip < count; flip += 1)
      whole[Math.min(whole.length - 1, 4 + this.below(whole.length - 4))] = this.below(256);
    return whole;
  }

  #bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)));
  }

  #oneOf<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

/** A transport whose other end is this test: it accepts everything and records the frames. */
class SinkTransport implements Transport {
  readonly peer = "a fuzzer";
  readonly pendingBytes = 0;
  receiver: Receiver | undefined;
  isClosed = false;
  /** The codes of the errors that were sent; an error without one is `undefined`. */
  readonly codes = new Set<unknown>();
  readonly #reader = answerReader(({ type, value }) => {
    if (type === FrameType.GOAWAY || (type === FrameType.ERR && !(value instanceof TypeError)))
      this.codes.add(codeOf(value));
  });

  start(receiver: Receiver): void {
    this.receiver = receiver;
  }

  send(chunk: Buffer): boolean {
    this.#reader.push(Buffer.from(chunk));
    return true;
  }

  sendAll(chunks: readonly Buffer[]): boolean {
    for (const chunk of chunks) this.send(chunk);
    return true;
  }

  pause(): void {
    // No frame is ever held back here.
  }

  resume(): void {
    // Nor here.
  }

  close(): void {
    this.abort();
  }

  abort(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    queueMicrotask(() => this.receiver?.closed());
  }
}

export interface FuzzReport {
  readonly frames: number;
  readonly sessions: number;
  /** The violations that were found. */
  readonly problems: readonly string[];
}

/**
 * Sends `count` frames to sessions, each session for as long as it stays open.
 *
 * @param onTurn - called at intervals, after a turn of the event loop
 */
export async function fuzz(count: number, seed: number, onTurn?: () => void): Promise<FuzzReport> {
  const fuzzer = new FrameFuzzer(seed);
  const problems = new Set<string>();
  let sessions = 0;
  for (let sent = 0; sent < count;) {
    const transport = new SinkTransport();
    const session = new Session(transport, {
      serves: { name: "fuzz", version: 1, methods: METHODS },
      isServer: true,
    });
    sessions += 1;
    transport.receiver?.bytes(HELLO);
    let left = 2_000;
    for (let inSession = 0; !transport.isClosed && left > 0 && sent < count; inSession += 1) {
      const { bytes, swallows } = fuzzer.next();
      transport.receiver?.bytes(bytes);
      sent += 1;
      left = swallows ? Math.min(left, 5) : left - 1;
      if (inSession % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
    }
    await session.close();
    if (sessions % 64 === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      onTurn?.();
    }
    for (const problem of problemsOf(session, transport)) problems.add(problem);
    if (problems.size > 10) break;
  }
  return { frames: count, sessions, problems: [...problems] };
}

function problemsOf(session: Session, transport: SinkTransport): string[] {
  const problems: string[] = [];
  const { held, running, inFlight } = session.load;
  if (held + running + inFlight > 0) problems.push(`left behind: ${JSON.stringify(session.load)}`);
  for (const code of transport.codes)
    if (typeof code !== "string" || !code.startsWith("NEWEL_E_"))
      problems.push(`no code: ${String(code)}`);
  if ("polluted" in {}) problems.push("Object.prototype was changed");
  return problems;
}
