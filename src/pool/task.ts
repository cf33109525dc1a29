import type { Body } from "./body.ts";
import type { TaskTerms } from "./terms.ts";

/** What a task knows of the worker that has it, … */
interface Holder {
  readonly number: number;
  cancel(task: Task, limitMs: number, reason: unknown): void;
  end(task: Task, limitMs: number, reason: unknown, graceMs: number): void;
}

/** … of the queue it waits in, … */
interface WaitingPlace {
  forget(task: Task): void;
}

/** … and of the lists of its deadline and of its abort signal. */
interface TaskPlace {
  remove(task: Task): void;
}

/** Any worker may run it. */
export const ANY_WORKER = -1;

/** What a task is made of. */
export interface TaskRequest {
  readonly body: Body;
  /** Its result goes to `onResult` and the iteration: it may only start when these have room. */
  readonly isPut: boolean;
  readonly priority: number;
  readonly workerNumber: number;
  readonly retries: number;
  readonly terms: TaskTerms | undefined;
  readonly resolve: (result: unknown, worker: number) => void;
  readonly reject: (error: unknown, worker: number) => void;
}

let lastSequence = 0;

/** One task, from `run` until it is settled and its worker has answered. */
export class Task {
  /** Older tasks of the same priority go first. */
  readonly sequence: number;
  readonly isPut: boolean;
  readonly priority: number;
  readonly workerNumber: number;
  readonly terms: TaskTerms | undefined;
  readonly resolve: TaskRequest["resolve"];
  readonly reject: TaskRequest["reject"];
  readonly enqueuedMs: number;
  body: Body;
  retriesLeft: number;
  isSettled = false;
  /** It is being ended: what it rejects with if that ends its worker. */
  fate: ((how: string) => Error) | undefined = undefined;
  /** The worker it was sent to, its place there, and how many were sent there before it. */
  worker: Holder | undefined = undefined;
  place = 0;
  sentNumber = 0;
  sentMs = 0;
  /** The queue it waits in. */
  waitsIn: WaitingPlace | undefined = undefined;
  /** Set for a broadcast that new workers run as well. */
  stickyKey: string | undefined = undefined;
  /** Those that wait for the same abort signal. */
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
    this.body = request.body;
    this.isPut = request.isPut;
    this.priority = request.priority;
    this.workerNumber = request.workerNumber;
    this.retriesLeft = request.retries;
    this.terms = request.terms;
    this.resolve = request.resolve;
    this.reject = request.reject;
    this.enqueuedMs = nowMs;
  }
}

/** Which of two waiting tasks starts first. */
export function earlier(a: Task | undefined, b: Task | undefined): Task | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  if (a.priority !== b.priority) return a.priority > b.priority ? a : b;
  return a.sequence < b.sequence ? a : b;
}
