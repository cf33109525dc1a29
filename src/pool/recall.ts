import { CloneBody } from "./body.ts";
import type { InFlightWindow } from "./in-flight-window.ts";
import type { ProgressRecord } from "./progress.ts";
import { mayHaveBegun } from "./stall.ts";
import type { TaskTable } from "./task-table.ts";
import type { Task } from "./task.ts";

/** Gets the tasks of one worker back that it has not begun. */
export class Recall {
  readonly #record: ProgressRecord;
  readonly #window: InFlightWindow;
  readonly #tasks: TaskTable;
  readonly #send: () => void;
  /** Whether the worker was asked and has not answered. */
  isSent = false;

  /** @param send - sends RECALL to the worker */
  constructor(record: ProgressRecord, window: InFlightWindow, tasks: TaskTable, send: () => void) {
    this.#record = record;
    this.#window = window;
    this.#tasks = tasks;
    this.#send = send;
  }

  /** The tasks that have not begun. Without an exact record all but the first may be such tasks. */
  get unbegun(): number {
    const { told, untold } = this.#window;
    const { begun } = this.#record.read(told);
    const waiting = begun === undefined ? untold - 1 : untold - (begun - told);
    return Math.max(0, waiting - this.#tasks.takenBack);
  }

  /**
   * Recalls them. Returns those that certainly do not begin; the worker returns the others when its
   * event loop runs.
   */
  take(): readonly Task[] {
    if (this.isSent) return [];
    this.isSent = true;
    this.#send();
    const { told, sent } = this.#window;
    this.#record.takeBack(told, sent);
    const facts = { told, progress: this.#record.read(told) };
    const taken = this.#tasks.inOrder().filter(
      ({ body, isSettled, sentNumber, stickyKey }) =>
        // A value that goes separately may exist in the worker alone by now; a sticky broadcast is for
        // this worker.
        !isSettled &&
        stickyKey === undefined &&
        !(body instanceof CloneBody) &&
        !mayHaveBegun(sentNumber, facts),
    );
    for (const task of taken) this.#tasks.takeBack(task);
    return taken;
  }
}
