import { systemCode } from "../base/errors.ts";
import type { Guard } from "./guard.ts";

/** The process group that a worker leads: the worker, and what it and its tasks started. */
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
      // All of it is gone, or what is left of it are zombies or other users' processes.
      if (!["ESRCH", "EPERM"].includes(systemCode(error) ?? "")) throw error;
    }
  }

  /**
   * The worker has ended: so does what it left behind. Its number cannot be another's yet while
   * anything of the group is left, and is not used again afterwards.
   */
  end(): void {
    this.signal("SIGKILL");
    this.#isOver = true;
    this.#guard.remove(this.#pid);
  }
}
