import { systemCode } from "../base/errors.ts";
import type { Guard } from "./guard.ts";

/**
 * The process group that a worker leads: the worker, and the processes that it and its tasks
 * started.
 */
export class WorkerGroup {
  readonly #pid: number;
  readonly #guard: Guard;
  #isOver = false;

  constructor(pid: number, mark: string, guard: Guard) {
    this.#pid = pid;
    this.#guard = guard;
    guard.add(pid, mark);
  }

  signal(name: "SIGTERM" | "SIGKILL"): void {
    if (this.#isOver) return;
    try {
      process.kill(-this.#pid, name);
    } catch (error) {
      // The whole group is gone, or only zombies or other users' processes are left.
      if (!["ESRCH", "EPERM"].includes(systemCode(error) ?? "")) throw error;
    }
  }

  /**
   * The worker has ended: the rest of its group is killed. The number of the group cannot be reused
   * while any of its processes is left, and is not used here afterwards.
   */
  end(): void {
    this.signal("SIGKILL");
    this.#isOver = true;
    this.#guard.remove(this.#pid);
  }
}
