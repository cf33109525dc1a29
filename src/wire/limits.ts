/**
 * Limits of one connection. Each side announces its limits in HELLO and the other side enforces
 * them: a value above a limit fails its own call, before it is sent. A peer that ignores the limits
 * gets an error, or its connection is closed.
 */
export interface WireLimits {
  /**
   * Bytes in the body of one frame. Default 64 MiB, at least 64 KiB; send larger values as a
   * stream.
   */
  readonly maxFrameBytes: number;
  /** Nesting depth of arrays and objects. Default 100, at most 1,000: code that walks a value stays within its stack. */
  readonly maxDepth: number;
  /** Binary parts (Buffers, typed arrays) in one frame. Default 1,024. */
  readonly maxParts: number;
  /** Calls of the peer that run on this side at once. Default 256; further calls wait at the peer. */
  readonly maxCalls: number;
  /**
   * Streams of the peer that are open on this side at once. Default 256. One more waits at most 10
   * s for a permit, then it fails with NEWEL_E_LIMIT; streams never delay calls.
   */
  readonly maxStreams: number;
  /**
   * Credit of one stream, in items; an item over 4 KiB costs one credit per started 4 KiB. Default
   * 256, so that a reader that does not read holds back at most about 1 MiB and one item. At most
   * 4,096.
   */
  readonly streamWindow: number;
  /** Functions that a peer may hold by reference. Default 1,024. */
  readonly maxReferences: number;
  /** Calls that wait on this side because the peer's `maxCalls` are in flight. Default 65,536. */
  readonly maxWaiting: number;
  /** Unsent bytes above which a server stops reading from that peer. Default 1 MiB. */
  readonly highWaterBytes: number;
  /**
   * Unsent bytes above which calls, results and items fail with NEWEL_E_LIMIT until the peer has
   * read more; above twice this value the connection is closed. Default 256 MiB.
   */
  readonly maxBacklogBytes: number;
  /** Milliseconds within which the peer must have sent HELLO. Default 5,000. */
  readonly helloMs: number;
  /** Milliseconds within which a frame that has begun must be complete. Default 30,000. */
  readonly frameMs: number;
  /**
   * Milliseconds of silence after which this side sends a heartbeat; after four times this time the
   * peer counts as lost. Default 0: no heartbeat, because the operating system reports immediately
   * when a process on this machine ends, and a busy or stopped process is not lost. Over TCP the
   * default is 15,000.
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
 * Bounds of the limits in a HELLO: a frame limit below the first could not carry an error, a window
 * above the second would let a producer that never waits fill the memory of its own side.
 */
export const MIN_FRAME_BYTES = 65_536;
export const MAX_STREAM_WINDOW = 4_096;
/** Code that walks a value needs a few stack frames per level. */
export const MAX_DEPTH = 1_000;

/** The limits of one side: defaults, and settings clamped to those bounds. */
export function withDefaults(limits: Partial<WireLimits> = {}): WireLimits {
  const all = { ...DEFAULT_LIMITS, ...limits };
  return {
    ...all,
    maxFrameBytes: Math.max(all.maxFrameBytes, MIN_FRAME_BYTES),
    maxDepth: Math.min(Math.max(all.maxDepth, 1), MAX_DEPTH),
    streamWindow: Math.min(Math.max(all.streamWindow, 1), MAX_STREAM_WINDOW),
  };
}

/** The stream credit that an item of this many bytes costs. */
export function creditCost(bytes: number): number {
  return 1 + Math.floor(bytes / 4_096);
}
