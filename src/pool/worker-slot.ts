import type { Timer } from "../base/timers.ts";
import { Backlog } from "./backlog.ts";
import type { WorkerHandle } from "./worker-handle.ts";
import type { Task } from "./task.ts";

/** The slot of one numbered worker: it stays when its worker is replaced. */
export class WorkerSlot {
  readonly number: number;
  /** The worker that accepts tasks, or is about to. */
  worker: WorkerHandle | undefined;
  /** The worker that will replace it when it is ready. */
  successor: WorkerHandle | undefined;
  /** Tasks for this number. */
  readonly own: Backlog = new Backlog();
  /** Unanswered sticky broadcasts by key: the next worker's run of the broadcast answers them. */
  readonly awaitingReplay: Map<string, Task[]> = new Map();
  /** Failures in a row, without a completed task in between. */
  failures = 0;
  timer: Timer | undefined;

  constructor(number: number) {
    this.number = number;
  }

  /** The worker that runs tasks at this moment. */
  get ready(): WorkerHandle | undefined {
    return this.worker?.state === "ready" ? this.worker : undefined;
  }

  addAwaiting(key: string, task: Task): void {
    const waiting = this.awaitingReplay.get(key);
    if (waiting === undefined) this.awaitingReplay.set(key, [task]);
    else waiting.push(task);
  }

  /** Its worker is gone: the next worker's run of a sticky broadcast answers it. */
  keepSticky(): void {
    for (const task of Array.from(this.own)) {
      if (task.stickyKey === undefined) continue;
      this.own.forget(task);
      this.addAwaiting(task.stickyKey, task);
    }
  }

  /** Returns the tasks that this run of the broadcast answers. */
  takeAwaiting(key: string): readonly Task[] {
    const waiting = this.awaitingReplay.get(key) ?? [];
    this.awaitingReplay.delete(key);
    return waiting;
  }
}
