import { connect, type Socket } from "node:net";
import { once } from "node:events";

import {
  FrameFlag,
  FrameReader,
  FrameType,
  HEADER_BYTES,
  PROTOCOL_VERSION,
  writeHeader,
} from "../../src/wire/frames.ts";
import { decode } from "../../src/wire/codec.ts";

/** A frame as any program could write it. */
export function frame(
  type: number,
  body: string | Buffer = "",
  fields: { flags?: number; method?: number; id?: number; aux?: number } = {},
): Buffer {
  const bytes = Buffer.from(body as string);
  const whole = Buffer.alloc(HEADER_BYTES + bytes.length);
  const { flags = 0, method = 0, id = 0, aux = 0 } = fields;
  writeHeader(whole, 0, bytes.length, type, flags, method, id, aux);
  bytes.copy(whole, HEADER_BYTES);
  return whole;
}

/** The body of a tagged value, with the given lengths. */
export function tagged(
  json: string,
  parts: readonly Buffer[] = [],
  lengths?: readonly number[],
): Buffer {
  const text = Buffer.from(json);
  const head = Buffer.alloc(8 + 4 * parts.length);
  head.writeUInt32LE(parts.length, 0);
  head.writeUInt32LE(text.length, 4);
  for (const [index, part] of parts.entries())
    head.writeUInt32LE(lengths?.[index] ?? part.length, 8 + 4 * index);
  return Buffer.concat([head, text, ...parts]);
}

const LIMITS = {
  maxFrameBytes: 1_000_000,
  maxCalls: 256,
  maxStreams: 256,
  streamWindow: 256,
  maxDepth: 100,
  maxParts: 1_024,
  maxReferences: 1_024,
};

/** A HELLO that is accepted. */
export const HELLO: Buffer = frame(FrameType.HELLO, JSON.stringify({ limits: LIMITS }), {
  aux: PROTOCOL_VERSION,
});

export interface Answer {
  readonly type: number;
  readonly id: number;
  readonly value: unknown;
}

/** Reads the frames of the other side. */
export function answerReader(onAnswer: (answer: Answer) => void): FrameReader {
  return new FrameReader(64 * 1_048_576, ({ type, id, flags, buffer, start, end }) => {
    const isTagged = (flags & FrameFlag.TAGGED) !== 0;
    // A call of a function that was passed: it is not answered here.
    if (type === FrameType.CALL) return;
    const limits = { maxDepth: 100, maxParts: 1_024 };
    const references = { hold: () => 0, receive: () => () => undefined };
    onAnswer({ type, id, value: decode(buffer, start, end, isTagged, limits, references) });
  });
}

/** A peer that writes arbitrary frames. */
export class HostilePeer {
  readonly socket: Socket;
  readonly answers: Answer[] = [];
  readonly closed: Promise<unknown>;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.closed = once(socket, "close");
    const reader = answerReader((answer) => this.answers.push(answer));
    socket.on("data", (chunk) => reader.push(chunk as Buffer));
    socket.on("error", () => socket.destroy());
  }

  static async connect(path: string): Promise<HostilePeer> {
    const socket = connect(path);
    await once(socket, "connect");
    return new HostilePeer(socket);
  }

  /**
   * Writes, and waits until the server has closed the connection; returns the code of the close.
   */
  async provoke(...bytes: readonly Buffer[]): Promise<unknown> {
    for (const chunk of bytes) this.socket.write(chunk);
    await this.closed;
    const last = this.answers.findLast(({ type }) => type === FrameType.GOAWAY);
    return codeOf(last?.value);
  }
}

/** The code of an error that came over the wire. */
export function codeOf(value: unknown): unknown {
  return value instanceof Error && "code" in value ? value.code : undefined;
}
