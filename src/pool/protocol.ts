import { FrameType } from "../wire/frames.ts";
import type { CodecLimits } from "../wire/tagged.ts";

/**
 * What pool and worker say to each other, in the frames of the wire. `id` is the place of a task in
 * the worker's table; each TASK is answered by exactly one DONE or FAILED, and only then is its
 * place used again.
 */

/** From the pool to a worker. */
export const ToWorker: Readonly<
  Record<"SETUP" | "TASK" | "CANCEL" | "CREDIT" | "PING" | "LEAVE" | "ANSWER" | "REFUSAL", number>
> = {
  /** First; body: {@link WorkerSetup}. */
  SETUP: FrameType.HELLO,
  /** Body: the task. */
  TASK: FrameType.CALL,
  /** The task was given up. aux: the limit in milliseconds that was passed, or 0. Body: why, or nothing. */
  CANCEL: FrameType.CANCEL,
  /** aux: how many more messages the pool takes from this worker. */
  CREDIT: FrameType.CREDIT,
  PING: FrameType.PING,
  /** The poison pill: no more tasks come; tear down and exit. */
  LEAVE: FrameType.GOAWAY,
  /** id: that of the question. Body: the answer. */
  ANSWER: FrameType.OK,
  /** id: that of the question. Body: the error it came to. */
  REFUSAL: FrameType.ERR,
};

/** From a worker to the pool. */
export const ToPool: Readonly<
  Record<
    "READY" | "UNFIT" | "DONE" | "FAILED" | "MESSAGE" | "TAKEN" | "REPORT" | "PONG" | "ASK",
    number
  >
> = {
  /** The module is loaded and set up. */
  READY: FrameType.HELLO,
  /** It could not be. Body: the error. */
  UNFIT: FrameType.GOAWAY,
  /** Body: what the task returned. */
  DONE: FrameType.OK,
  /** Body: what it threw. */
  FAILED: FrameType.ERR,
  /** Body: a message of the worker. */
  MESSAGE: FrameType.ITEM,
  /** id: tasks begun so far; aux: µs the event loop was busy since the last of these. */
  TAKEN: FrameType.CREDIT,
  /** Body: the worker's resources. */
  REPORT: FrameType.STREAM,
  PONG: FrameType.PONG,
  /** A question of a task. aux: the number that its ANSWER or REFUSAL has as id. */
  ASK: FrameType.CALL,
};

/** What a worker has to know before it starts. */
export interface WorkerSetup {
  readonly module: string;
  readonly pool: string;
  readonly workerNumber: number;
  readonly title: string;
  readonly credit: number;
  readonly statsMs: number;
  readonly telemetry: boolean;
  readonly data: unknown;
}

/** The resources of one worker at one moment. */
export interface ResourceReport {
  /** Resident memory in bytes; of a thread the whole process's. */
  readonly rssBytes: number;
  /** Of this worker's heap. */
  readonly heapUsedBytes: number;
  /** Processor seconds since the last report, per second: 1 is one processor. */
  readonly cpu: number;
  /** How late timers were, 99th percentile since the last report, in milliseconds. */
  readonly loopDelayMs: number;
  /** The share of its time the event loop was busy, 0 to 1. */
  readonly loopUtilization: number;
  /** Open handles and running requests that keep the event loop alive, by `process.getActiveResourcesInfo()`. */
  readonly handles: number;
  readonly timers: number;
}

/** Flags of a body, beside the wire's own (1: tagged JSON). */
export const BodyFlag = {
  TAGGED: 1,
  /** The one part of the body is what v8.serialize gave. */
  V8: 4,
  /** The one part is a Uint8Array, … */
  BYTES: 8,
  /** … or a Buffer. */
  BUFFER: 16,
  /** The one part is JSON text: there is a telemetry context beside it. */
  JSON: 32,
} as const;

/** A message of the pool's own workers is as large as they want; the header says 32 bits. */
export const MAX_BODY_BYTES: number = 0xffff_ffff - 64;

/** For errors, which alone go as tagged JSON. */
export const ERROR_LIMITS: CodecLimits = { maxDepth: 100, maxParts: 1_024 };

/** A pool waits for room in its own way; nothing here is ever too much for a socket. */
export const MAX_BACKLOG_BYTES: number = Number.MAX_SAFE_INTEGER;
