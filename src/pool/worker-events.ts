import type { Task } from "./task.ts";
import type { OutputStreams } from "./worker-output.ts";

/** The tasks of a worker that has ended, in the order they were sent. */
export interface LeftTasks {
  /** Tasks that had begun, or may have. */
  readonly begun: readonly Task[];
  /** Tasks that certainly had not begun: another worker can run them. */
  readonly unbegun: readonly Task[];
}

/** The events of a worker that the pool receives. */
export interface WorkerEvents<Worker> {
  /** The worker was started, and the pool reads its output. */
  output(streams: OutputStreams, worker: number, pid: number): void;
  ready(worker: Worker): void;
  /** The worker could not start; it ends by itself. */
  unfit(worker: Worker, error: unknown): void;
  done(task: Task, result: unknown): void;
  failed(task: Task, error: unknown): void;
  message(worker: Worker, message: unknown): void;
  report(worker: Worker): void;
  /** The worker has a task whose memory is limited. */
  limited(): void;
  /**
   * The worker accepts no more tasks and leaves when it can; another worker must take its place.
   */
  retired(worker: Worker): void;
  /** Tasks that it returns because it had not begun them, in the order they were sent. */
  returned(tasks: readonly Task[]): void;
  /** Called after all frames of one read. */
  turn(worker: Worker): void;
  /** Its last bytes were read. */
  ended(worker: Worker, how: string, tasks: LeftTasks): void;
}
