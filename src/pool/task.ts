import type { Body } from "./body.ts";
import type { TaskLimits } from "./task-limits.ts";

/** The state of a task in the worker that has it. */
interface Holder {
  readonly number: number;
  cancel(task: Task, limitMs: number, reason: unknown): void;
  end(task: Task, limitMs: number, reason: unknown, graceMs: number): void;
  giveItemCredit(task: Task, credit: number): void;
}

/** The queue in which a task waits. */
interface WaitingPlace {
  forget(task: Task): void;
}

/** The lists of a deadline and of an abort signal. */
interface TaskPlace {
  remove(task: Task): void;
}

/** Any worker may run it. */
export const ANY_WORKER = -1;

/** The parts of a task. */
export interface TaskRequest {
  /** Its `TaskFlag`s. */
  readonly kind: number;
  readonly body: Body;
  /** Its result goes to `onResult` and the iteration: it may only start when these have room. */
  readonly isPut: boolean;
  readonly priority: number;
  readonly workerNumber: number;
  readonly retries: number;
  readonly limits: TaskLimits | undefined;
  readonly resolve: (result: unknown, worker: number) => void;
  readonly reject: (error: unknown, worker: number) => void;
}

let lastSequence = 0;

/** One task, from `run` until it is settled and its worker has answered. */
export class Task {
  /** Older tasks of the same priority go first. */
  readonly sequence: number;
  readonly kind: number;
  readonly isPut: boolean;
  readonly priority: number;
  readonly workerNumber: number;
  readonly limits: TaskLimits | undefined;
  readonly resolve: TaskRequest["resolve"];
  readonly reject: TaskRequest["reject"];
  readonly enqueuedMs: number;
  body: Body;
  retriesLeft: number;
  isSettled = false;
  /** The task is being ended: the error that it rejects with if that ends its worker. */
  pendingRejection: ((how: string) => Error) | undefined = undefined;
  /**
   * The worker to which it was sent, its place there, and the number of tasks sent there before it.
   */
  worker: Holder | undefined = undefined;
  place = 0;
  sentNumber = 0;
  sentMs = 0;
  /** Its memory was transferred to the worker: it cannot be sent again. */
  isHandedOver = false;
  /**
   * The time at which its caller was notified that it is cancelled or late, while a worker has it.
   */
  givenUpMs: number | undefined = undefined;
  /** The queue in which it waits. */
  waitsIn: WaitingPlace | undefined = undefined;
  /** Set for a broadcast that new workers also run. */
  stickyKey: string | undefined = undefined;
  /** The next task that listens to the same abort signal. */
  signalTasks: TaskPlace | undefined = undefined;
  signalPrevious: Task | undefined = undefined;
  signalNext: Task | undefined = undefined;
  deadlineMs = 0;
  deadlines: TaskPlace | undefined = undefined;
  previous: Task | undefined = undefined;
  next: Task | undefined = undefined;

  constructor(request: TaskRequest, nowMs: number) {
    lastSequence += 1;
    this.sequence = lastSequence;
    this.kind = request.kind;
    this.body = request.body;
    this.isPut = request.isPut;
    this.priority = request.priority;
    this.workerNumber = request.workerNumber;
    this.retriesLeft = request.retries;
    this.limits = request.limits;
    this.resolve = request.resolve;
    this.reject = request.reject;
    this.enqueuedMs = nowMs;
  }
}

/** A task that waits this long counts as one priority higher, so that none waits for ever. */
const AGEING_MS = 1_000;

/**
 * Returns the one of two waiting tasks that starts first: by priority, which rises while a task
 * waits, then by age.
 */
export function earlier(a: Task | undefined, b: Task | undefined): Task | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  if (a.priority !== b.priority) {
    const lead = a.priority - b.priority + (b.enqueuedMs - a.enqueuedMs) / AGEING_MS;
    if (lead !== 0) return lead > 0 ? a : b;
  }
  return a.sequence < b.sequence ? a : b;
}
