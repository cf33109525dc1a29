/** A job of the simulated store. */
export interface SimulatedJob {
  readonly id: string;
  state: "waiting" | "active" | "delayed" | "ended";
  /** Of the taking that is current. */
  token: string;
  taking: number;
  lockedUntilMs: number;
  dueMs: number;
}

/** How a simulated attempt ends: done, or the run waits again: at once, after a while, or at the front. */
export type SimulatedEnd = "done" | "retry" | "back off" | "park" | "give back";

/** Locks as BullMQ's stores have them: a token has a job until a time; the first server after it requeues the job. */
export class SimulatedStore {
  readonly jobs: readonly SimulatedJob[];
  readonly #lockMs: number;
  /** On a file, a token has its job until the job is put back. */
  readonly #lapses: boolean;
  #takings = 0;

  constructor(
    jobs: number,
    { lockMs, lapses }: { readonly lockMs: number; readonly lapses: boolean },
  ) {
    this.#lockMs = lockMs;
    this.#lapses = lapses;
    this.jobs = Array.from({ length: jobs }, (_, at) => ({
      id: `job ${at}`,
      state: "waiting",
      token: "",
      taking: 0,
      lockedUntilMs: 0,
      dueMs: 0,
    }));
  }

  take(token: string, nowMs: number): SimulatedJob | undefined {
    for (const job of this.jobs)
      if (job.state === "delayed" && job.dueMs <= nowMs) job.state = "waiting";
    const job = this.jobs.find(({ state }) => state === "waiting");
    if (job === undefined) return undefined;
    this.#takings += 1;
    job.state = "active";
    job.token = token;
    job.taking = this.#takings;
    job.lockedUntilMs = nowMs + this.#lockMs;
    return job;
  }

  /** @returns the ids that the tokens do not hold */
  renew(ids: readonly string[], tokens: readonly string[], nowMs: number): string[] {
    return ids.filter((id, at) => {
      const job = this.#held(id, tokens[at] ?? "", nowMs);
      if (job !== undefined) job.lockedUntilMs = nowMs + this.#lockMs;
      return job === undefined;
    });
  }

  /** @returns whether the token has the job */
  end(id: string, token: string, end: SimulatedEnd, nowMs: number): boolean {
    const job = this.#held(id, token, nowMs);
    if (job === undefined) return false;
    job.state =
      end === "done" ? "ended" : end === "back off" || end === "park" ? "delayed" : "waiting";
    job.dueMs = nowMs + this.#lockMs / 2;
    job.token = "";
    return true;
  }

  #held(id: string, token: string, nowMs: number): SimulatedJob | undefined {
    return this.jobs.find(
      (job) =>
        job.id === id &&
        job.state === "active" &&
        job.token === token &&
        (!this.#lapses || job.lockedUntilMs > nowMs),
    );
  }

  /** @returns the jobs that are put back: their locks are over */
  recover(nowMs: number, isOver: (job: SimulatedJob) => boolean): SimulatedJob[] {
    const stalled = this.jobs.filter(
      (job) => job.state === "active" && job.lockedUntilMs <= nowMs && isOver(job),
    );
    for (const job of stalled) {
      job.state = "waiting";
      job.token = "";
    }
    return stalled;
  }
}
