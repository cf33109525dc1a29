/**
 * What one connection may ask of this process. Each side says its own limits in HELLO, and the
 * other keeps to them; a peer that does not is answered with an error, or its connection is closed.
 */
export interface WireLimits {
  /** Bytes in the body of one frame. Default 64 MiB, at least 64 KiB: a larger value belongs in a stream. */
  readonly maxFrameBytes: number;
  /** Arrays and objects within each other. Default 100; code that walks a value stays within its stack. */
  readonly maxDepth: number;
  /** Binary parts (Buffers, typed arrays) in one frame. Default 1,024. */
  readonly maxParts: number;
  /** Calls of the peer that run here at once. Default 256; the peer holds back the rest. */
  readonly maxCalls: number;
  /** Streams of the peer that are open here at once. Default 256. */
  readonly maxStreams: number;
  /**
   * Credit of one stream, in items; an item over 4 KiB costs one for each 4 KiB begun. Default 256,
   * so that a reader which does not read holds back at most about 1 MiB and one item. At most 4,096.
   */
  readonly streamWindow: number;
  /** Functions that a peer may hold by reference. Default 1,024. */
  readonly maxReferences: number;
  /** Calls that wait here because the peer's `maxCalls` are in flight. Default 65,536. */
  readonly maxWaiting: number;
  /** Unsent bytes above which a server reads nothing more from that peer. Default 1 MiB. */
  readonly highWaterBytes: number;
  /** Unsent bytes above which the connection is closed. Default 256 MiB. */
  readonly maxBacklogBytes: number;
  /** Milliseconds in which the peer must have said HELLO. Default 5,000. */
  readonly helloMs: number;
  /** Milliseconds in which a frame that was begun must be whole. Default 30,000. */
  readonly frameMs: number;
  /**
   * Milliseconds of silence after which this side asks for a sign of life; after four times as long
   * the peer counts as lost. Default 0, which means never: the operating system tells at once when
   * a process on this machine ends, and one that is only busy or stopped is not lost. TCP has 15,000.
   */
  readonly heartbeatMs: number;
}

export const DEFAULT_LIMITS: WireLimits = {
  maxFrameBytes: 64 * 1_048_576,
  maxDepth: 100,
  maxParts: 1_024,
  maxCalls: 256,
  maxStreams: 256,
  streamWindow: 256,
  maxReferences: 1_024,
  maxWaiting: 65_536,
  highWaterBytes: 1_048_576,
  maxBacklogBytes: 256 * 1_048_576,
  helloMs: 5_000,
  frameMs: 30_000,
  heartbeatMs: 0,
};

/**
 * Bounds of what a HELLO may say: below the first no error could be told, above the second a
 * producer that never waits would fill the memory of its own side.
 */
export const MIN_FRAME_BYTES = 65_536;
export const MAX_STREAM_WINDOW = 4_096;

/** The limits of one side, its settings brought within those bounds. */
export function withDefaults(limits: Partial<WireLimits> = {}): WireLimits {
  const all = { ...DEFAULT_LIMITS, ...limits };
  return {
    ...all,
    maxFrameBytes: Math.max(all.maxFrameBytes, MIN_FRAME_BYTES),
    streamWindow: Math.min(Math.max(all.streamWindow, 1), MAX_STREAM_WINDOW),
  };
}

/** How much of a stream's credit an item of this many bytes costs. */
export function creditCost(bytes: number): number {
  return 1 + Math.floor(bytes / 4_096);
}
