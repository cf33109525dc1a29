import type { GapReason, OutputChunk, OutputPosition, StreamName, StreamRange } from "./api.ts";
import type { Mark } from "./marks.ts";
import type { SegmentRead } from "./segments.ts";

/** One stream that can be read from any offset. */
export interface ReadableStream {
  readonly range: StreamRange;
  /** `undefined` at the end. */
  read(from: number, maxBytes: number): Promise<SegmentRead | undefined>;
  /** Why the bytes from this offset on are not kept, and where another reason begins. */
  lossAt(offset: number): { readonly reason: GapReason; readonly to: number };
}

/** When which bytes came. */
export interface TimeIndex {
  at(stream: StreamName, offset: number): Mark | undefined;
  /** Where the bytes of one time end. */
  endOf(stream: StreamName, offset: number): number | undefined;
}

/**
 * The next piece of the output of one process after a position: of the streams with unread bytes, the one
 * whose next byte was seen first.
 *
 * @param unmarkedMs - the time of bytes that no mark covers
 */
export async function nextPiece(
  streams: ReadonlyMap<StreamName, ReadableStream>,
  index: TimeIndex,
  position: OutputPosition,
  maxBytes: number,
  unmarkedMs: () => number,
): Promise<OutputChunk | undefined> {
  const name = firstUnread(streams, index, position);
  const stream = name === undefined ? undefined : streams.get(name);
  if (name === undefined || stream === undefined) return undefined;
  const asked = position[name];
  const { start, end } = stream.range;
  const from = Math.max(asked, start);
  const timeMs = index.at(name, from)?.timeMs ?? unmarkedMs();
  // A piece has one time, and what the other stream said in between comes in between.
  const markEnd = index.endOf(name, from) ?? Infinity;
  const found = await stream.read(from, Math.min(maxBytes, markEnd - from));
  const read = found ?? { offset: Math.max(from, end), data: NOTHING, isRemoved: false };
  const gap = read.offset - asked;
  const { offset, data } = read;
  const piece = { stream: name, offset, gap, timeMs, data };
  if (gap === 0) return data.length === 0 ? undefined : piece;
  const loss = stream.lossAt(asked);
  // Bytes that were lost for another reason are a piece of their own.
  if (loss.to < offset && loss.to > asked)
    return { ...piece, offset: loss.to, gap: loss.to - asked, reason: loss.reason, data: NOTHING };
  return { ...piece, reason: read.isRemoved && asked >= start ? "removed" : loss.reason };
}

const NOTHING = Buffer.alloc(0);

function firstUnread(
  streams: ReadonlyMap<StreamName, ReadableStream>,
  index: TimeIndex,
  position: OutputPosition,
): StreamName | undefined {
  let first: { stream: StreamName; seq: number } | undefined;
  for (const [stream, { range }] of streams) {
    if (position[stream] >= range.end) continue;
    const seq = index.at(stream, Math.max(position[stream], range.start))?.seq ?? 0;
    if (first === undefined || seq < first.seq) first = { stream, seq };
  }
  return first?.stream;
}
