import { FrameType } from "../wire/frames.ts";
import type { CodecLimits } from "../wire/tagged.ts";

/**
 * The messages between pool and worker, in the frames of the wire. `id` is the place of a task in
 * the worker's table; each TASK is answered by exactly one DONE, FAILED or DROPPED, and only then
 * is its place used again. Instead of a method a frame has its number (link.ts).
 */

/** From the pool to a worker. */
export const ToWorker: Readonly<
  Record<
    | "SETUP"
    | "TASK"
    | "CANCEL"
    | "CREDIT"
    | "PING"
    | "LEAVE"
    | "ANSWER"
    | "REFUSAL"
    | "RECALL"
    | "ITEM_CREDIT",
    number
  >
> = {
  /** The first frame; body: {@link WorkerSetup}. */
  SETUP: FrameType.HELLO,
  /** Body: the task. aux: its {@link TaskFlag}s. */
  TASK: FrameType.CALL,
  /**
   * The task was cancelled or is late. aux: the expired limit in milliseconds, or 0. Body: the
   * reason, or empty.
   */
  CANCEL: FrameType.CANCEL,
  /** aux: the number of further messages that the pool accepts from this worker. */
  CREDIT: FrameType.CREDIT,
  PING: FrameType.PING,
  /** No more tasks come: tear down and exit. */
  LEAVE: FrameType.GOAWAY,
  /** id: that of the question. Body: the answer. */
  ANSWER: FrameType.OK,
  /** id: that of the question. Body: its error. */
  REFUSAL: FrameType.ERR,
  /** Return the tasks that were not begun. */
  RECALL: FrameType.RELEASE,
  /** id: the place of a task; aux: the credit that the reader of its items returns. */
  ITEM_CREDIT: FrameType.ITEM,
};

/** The kinds of a task, as bits. */
export const TaskFlag = {
  /** The task has a deadline or a signal: it goes first when the worker announces starts in its progress record. */
  MAY_BE_GIVEN_UP: 1,
  /** Its caller reads a stream: each item is an ITEM, and DONE has no body. */
  STREAM: 2,
  /** The body is a list: the name of an exported function, then its arguments. */
  NAMED: 4,
} as const;

/** The credit of a new stream, in items; an item over 4 KiB costs one for each started 4 KiB. */
export const STREAM_WINDOW = 256;

/** From a worker to the pool. */
export const ToPool: Readonly<
  Record<
    | "READY"
    | "UNFIT"
    | "DONE"
    | "FAILED"
    | "MESSAGE"
    | "TAKEN"
    | "DROPPED"
    | "REPORT"
    | "PONG"
    | "ASK"
    | "ITEM"
    | "UNRECORDED",
    number
  >
> = {
  /** The module is loaded and set up. */
  READY: FrameType.HELLO,
  /** Loading or setup failed. Body: the error. */
  UNFIT: FrameType.GOAWAY,
  /** Body: the result of the task. */
  DONE: FrameType.OK,
  /** Body: the error of the task. */
  FAILED: FrameType.ERR,
  /** Body: a message of the worker. */
  MESSAGE: FrameType.ITEM,
  /**
   * id: tasks taken from the queue so far, in the order of arrival, including those that were
   * dropped from it; aux: µs that the event loop was busy since the previous report.
   */
  TAKEN: FrameType.CREDIT,
  /** The task never began: it was cancelled before, or recalled. */
  DROPPED: FrameType.END,
  /** Body: the worker's resources. */
  REPORT: FrameType.STREAM,
  PONG: FrameType.PONG,
  /** A question of a task. aux: the number that its ANSWER or REFUSAL carries as id. */
  ASK: FrameType.CALL,
  /** id: the place of a task. Body: an item of its stream. */
  ITEM: FrameType.RELEASE,
  /** The progress record can no longer be written: it is not to be believed from now on. */
  UNRECORDED: FrameType.CANCEL,
};

/** The settings that a worker needs before it starts. */
export interface WorkerSetup {
  readonly module: string;
  /** The number of the worker's first frame. */
  readonly firstNumber: number;
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
  /** Resident memory in bytes; for a thread that of the whole process. */
  readonly rssBytes: number;
  /** Used heap of this worker, in bytes. */
  readonly heapUsedBytes: number;
  /** Processor seconds per second since the last report: 1 is one processor. */
  readonly cpu: number;
  /** Delay of timers, 99th percentile since the last report, in milliseconds. */
  readonly loopDelayMs: number;
  /** The share of time that the event loop was busy, 0 to 1. */
  readonly loopUtilization: number;
  /** Open handles and running requests that keep the event loop alive, by `process.getActiveResourcesInfo()`. */
  readonly handles: number;
  /** Timers that keep the event loop alive, by `process.getActiveResourcesInfo()`. */
  readonly timers: number;
}

/** Flags of a body, in addition to the wire's own (1: tagged JSON). */
export const BodyFlag = {
  TAGGED: 1,
  /** The last part of a tagged body is the telemetry context. */
  CONTEXT: 4,
  /** The only part is a Uint8Array. */
  BYTES: 8,
  /** The only part is a Buffer. */
  BUFFER: 16,
  /** The only part is JSON text, sent with a telemetry context. */
  JSON: 32,
  /** The parts are a plain value and its large texts (large-texts.ts). */
  TEXTS: 64,
} as const;

/** A message of the pool's own workers has no limit except the 32 bits of the header. */
export const MAX_BODY_BYTES: number = 0xffff_ffff - 64;

/** Both ends are the same program: only the stack bounds a value. */
export const VALUE_LIMITS: CodecLimits = {
  maxDepth: 1_000,
  maxParts: 1_000_000,
  allowsProto: true,
};

/** For the details of errors. */
export const ERROR_LIMITS: CodecLimits = { maxDepth: 100, maxParts: 1_024, allowsProto: true };

/** The pool limits its own load; no amount counts as too much for its sockets. */
export const MAX_BACKLOG_BYTES: number = Number.MAX_SAFE_INTEGER;
