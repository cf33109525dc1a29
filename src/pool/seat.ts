import { Backlog } from "./backlog.ts";
import type { RunningWorker } from "./running-worker.ts";
import type { Task } from "./task.ts";

/** The place of one numbered worker: it stays when the worker in it is replaced. */
export class Seat {
  readonly number: number;
  /** The worker that takes tasks, or is about to. */
  worker: RunningWorker | undefined;
  /** The one that will take its place when it is ready. */
  successor: RunningWorker | undefined;
  /** Tasks for this number. */
  readonly own: Backlog = new Backlog();
  /** Sticky broadcasts that the next worker's own run of them will answer, by their key. */
  readonly awaitingReplay: Map<string, Task[]> = new Map();
  /** Failures in a row, without a task done in between. */
  failures = 0;
  timer: NodeJS.Timeout | undefined;

  constructor(number: number) {
    this.number = number;
  }

  /** The worker that runs tasks at this moment. */
  get ready(): RunningWorker | undefined {
    return this.worker?.state === "ready" ? this.worker : undefined;
  }

  addAwaiting(key: string, task: Task): void {
    const waiting = this.awaitingReplay.get(key);
    if (waiting === undefined) this.awaitingReplay.set(key, [task]);
    else waiting.push(task);
  }

  /** Its worker is gone: what is sticky is answered by the next one's own run of it. */
  keepSticky(): void {
    for (const task of Array.from(this.own)) {
      if (task.stickyKey === undefined) continue;
      this.own.forget(task);
      this.addAwaiting(task.stickyKey, task);
    }
  }

  /** Those that this run of the broadcast answers. */
  takeAwaiting(key: string): readonly Task[] {
    const waiting = this.awaitingReplay.get(key) ?? [];
    this.awaitingReplay.delete(key);
    return waiting;
  }
}
