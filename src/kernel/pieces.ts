import type {
  GapReason,
  OutputChunk,
  OutputPosition,
  StreamName,
  StreamRange,
} from "./process-api.ts";
import type { Mark } from "./marks.ts";
import type { SegmentRead } from "./segments.ts";

/** One stream that can be read from any offset. */
export interface ReadableStream {
  readonly range: StreamRange;
  /** `undefined` at the end. */
  read(from: number, maxBytes: number): Promise<SegmentRead | undefined>;
  /** Why the bytes from this offset on are lost, and the offset at which another reason begins. */
  lossAt(offset: number): { readonly reason: GapReason; readonly to: number };
}

/** The arrival times of bytes. */
export interface TimeIndex {
  at(stream: StreamName, offset: number): Mark | undefined;
  /** The offset at which the bytes with the same time end. */
  endOf(stream: StreamName, offset: number): number | undefined;
}

/**
 * The next piece of the output of one process after a position: of the streams with unread bytes, the stream
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
  // A piece has one time, so it ends at a mark: output of the other stream may come in between.
  const markEnd = index.endOf(name, from) ?? Infinity;
  const found = await stream.read(from, Math.min(maxBytes, markEnd - from));
  const read = found ?? { offset: Math.max(from, end), data: NOTHING, isRemoved: false };
  const gap = read.offset - asked;
  const { offset, data } = read;
  const piece = { stream: name, offset, gap, timeMs, data };
  if (gap === 0) return data.length === 0 ? undefined : piece;
  const loss = stream.lossAt(asked);
  // Bytes that were lost for another reason become a separate piece.
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
