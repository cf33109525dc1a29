import { pathToFileURL } from "node:url";

import { hasCode } from "../../base/errors.ts";
import { programPath } from "../../base/modules.ts";
import type { RunOptions } from "../../pool/options.ts";
import { Pool } from "../../pool/pool.ts";
import type { JobFacts, Outcome, RunTask } from "../runner/protocol.ts";
import type Runner from "../runner/worker.ts";
import { Slots } from "./slots.ts";

type RunnerPool = Pool<{ readonly default: typeof Runner }>;

/** What ends from SIGTERM to SIGKILL, in milliseconds. */
const KILL_MS = 1_000;
/** A process of shared jobs that had nothing to do for that long ends, in milliseconds. */
const IDLE_MS = 60_000;

export interface PoolsOptions {
  /** The URL of the store. */
  readonly store: string;
  /** Absolute paths. */
  readonly modules: readonly string[];
  readonly processes: number;
}

/**
 * The processes that run jobs. Each job has one for itself, unless its definition says how many may
 * share one: then it runs in a pool of those that say the same.
 */
export class Pools {
  readonly #store: string;
  readonly #modules: readonly string[];
  readonly #processes: number;
  readonly #exclusive: RunnerPool;
  readonly #shared = new Map<number, { readonly pool: RunnerPool; readonly slots: Slots }>();

  constructor({ store, modules, processes }: PoolsOptions) {
    this.#store = store;
    this.#modules = modules.map((path) => pathToFileURL(path).href);
    this.#processes = processes;
    // One more than there are places: it takes the job of a process that dies while that is replaced.
    this.#exclusive = this.#make("jobs", 1, processes + 1, processes + 1);
  }

  #make(name: string, concurrency: number, min: number, max: number): RunnerPool {
    return new Pool<{ readonly default: typeof Runner }>({
      worker: programPath("jobs/runner/worker"),
      name,
      title: `newel ${name}`,
      data: { modules: this.#modules },
      // What a handler enqueues is to be found by the same server.
      env: { NEWEL_JOBS_STORE: this.#store },
      size: { min, max, idleMs: IDLE_MS },
      concurrency,
      processGroup: true,
      killMs: KILL_MS,
    });
  }

  /**
   * Starts the processes and asks one what the modules define.
   *
   * @throws NEWEL_E_JOBS_MODULE when one cannot be loaded
   * @throws NEWEL_E_POOL_WORKER_START
   */
  async start(): Promise<readonly JobFacts[]> {
    try {
      await this.#exclusive.start();
    } catch (error) {
      if (error instanceof Error && hasCode(error.cause, "NEWEL_E_JOBS_MODULE")) throw error.cause;
      throw error;
    }
    return (await this.#exclusive.run({ kind: "describe" })) as readonly JobFacts[];
  }

  /** The places for jobs that share a process with others of `facts`; `undefined` when they do not. */
  sharedSlots(facts: JobFacts): Slots | undefined {
    return facts.share > 1 ? this.#sharedBy(facts.share).slots : undefined;
  }

  run(task: RunTask, { share }: JobFacts, options: RunOptions): Promise<Outcome> {
    const pool = share > 1 ? this.#sharedBy(share).pool : this.#exclusive;
    return pool.run(task, options) as Promise<Outcome>;
  }

  #sharedBy(share: number): { readonly pool: RunnerPool; readonly slots: Slots } {
    const known = this.#shared.get(share);
    if (known !== undefined) return known;
    const pool = this.#make(`shared jobs (${share})`, share, 1, this.#processes);
    const made = { pool, slots: new Slots(share * this.#processes) };
    this.#shared.set(share, made);
    return made;
  }

  /** Ends the processes; nothing may run in them any more. */
  async close(): Promise<void> {
    const pools = [this.#exclusive, ...[...this.#shared.values()].map(({ pool }) => pool)];
    await Promise.all(pools.map((pool) => pool.close({ graceMs: 0 })));
  }
}
