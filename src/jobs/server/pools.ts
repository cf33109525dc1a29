import { fileURLToPath, pathToFileURL } from "node:url";

import { hasCode, newelError } from "../../base/errors.ts";
import { programPath } from "../../base/modules.ts";
import type { RecycleLimits, RunOptions } from "../../pool/options.ts";
import { Pool } from "../../pool/pool.ts";
import type { Description, JobFacts, Outcome, RunTask } from "../runner/protocol.ts";
import type Runner from "../runner/worker.ts";
import { Slots } from "./slots.ts";

type RunnerPool = Pool<{ readonly default: typeof Runner }>;

/** The time from SIGTERM to SIGKILL, in milliseconds. */
const KILL_MS = 1_000;
/**
 * A process is replaced between two runs after this number of runs, at this age in milliseconds, or when earlier runs
 * have
 * left this much memory in it, in bytes.
 */
const RUNS = 1_000;
const AGE_MS = 6 * 3_600_000;
const LEFT_BYTES = 256_000_000;
/** The interval at which the age and memory of processes are checked, in milliseconds. */
const LOOK_MS = 5_000;
/** A process of shared jobs ends after this idle time, in milliseconds. */
const IDLE_MS = 60_000;

export interface PoolsOptions {
  /** The URL of the store. */
  readonly store: string;
  /** Absolute paths. */
  readonly modules: readonly string[];
  readonly processes: number;
}

/**
 * The processes that run jobs. Each job has its own process, unless its definition allows several to
 * share one: then it runs in the pool of the definitions with the same number.
 */
export class Pools {
  readonly #store: string;
  readonly #modules: readonly string[];
  readonly #processes: number;
  /** The memory limit until a process has loaded the modules: unlimited, as a whole number, which the pool requires. */
  #freshBytes = Number.MAX_SAFE_INTEGER - LEFT_BYTES;
  readonly #recycle: RecycleLimits;
  readonly #exclusive: RunnerPool;
  readonly #shared = new Map<number, { readonly pool: RunnerPool; readonly slots: Slots }>();

  constructor({ store, modules, processes }: PoolsOptions) {
    this.#store = store;
    this.#modules = modules.map((path) => pathToFileURL(path).href);
    this.#processes = processes;
    const largest = (): number => this.#freshBytes + LEFT_BYTES;
    this.#recycle = {
      tasks: RUNS,
      ageMs: AGE_MS,
      // The modules of an application may need much memory themselves; the amount is known when they are loaded.
      get rssBytes() {
        return largest();
      },
    };
    // The pool has one process more than the server has permits: it takes the job of a process that died, until
    // the replacement has started.
    this.#exclusive = this.#make("jobs", 1, processes + 1, processes + 1);
  }

  #make(name: string, concurrency: number, min: number, max: number): RunnerPool {
    return new Pool<{ readonly default: typeof Runner }>({
      worker: programPath("jobs/runner/worker"),
      name,
      title: `newel ${name}`,
      data: { modules: this.#modules },
      // The jobs that a handler enqueues go to the store of this server.
      env: { NEWEL_JOBS_STORE: this.#store },
      size: { min, max, idleMs: IDLE_MS },
      concurrency,
      processGroup: true,
      killMs: KILL_MS,
      recycle: this.#recycle,
      statsMs: LOOK_MS,
    });
  }

  /**
   * Starts the processes and asks one what the modules define.
   *
   * @throws NEWEL_E_JOBS_MODULE when one cannot be loaded
   * @throws NEWEL_E_JOBS_NONE when they define no job
   * @throws NEWEL_E_POOL_WORKER_START
   */
  async start(): Promise<readonly JobFacts[]> {
    try {
      await this.#exclusive.start();
    } catch (error) {
      if (error instanceof Error && hasCode(error.cause, "NEWEL_E_JOBS_MODULE")) throw error.cause;
      throw error;
    }
    const { facts, freshBytes } = (await this.#exclusive.run({ kind: "describe" })) as Description;
    this.#freshBytes = freshBytes;
    if (facts.length > 0) return facts;
    const modules = this.#modules.map((url) => fileURLToPath(url)).join(", ");
    throw newelError("NEWEL_E_JOBS_NONE", { modules });
  }

  /** The permits for jobs of `facts` that share a process; `undefined` when they do not share one. */
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

  /** Ends the processes. Call it when no job runs in them any more. */
  async close(): Promise<void> {
    const pools = [this.#exclusive, ...[...this.#shared.values()].map(({ pool }) => pool)];
    await Promise.all(pools.map((pool) => pool.close({ graceMs: 0 })));
  }
}
