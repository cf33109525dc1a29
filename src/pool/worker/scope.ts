import { newelError } from "../../base/errors.ts";
import type { TaskContext } from "./define-worker.ts";

/** What all tasks of a worker share. */
export interface WorkerFacts {
  readonly workerNumber: number;
  readonly pool: string;
  readonly data: unknown;
  state: unknown;
}

/** What a task's scope asks of the worker. */
export interface ScopeOwner {
  readonly facts: WorkerFacts;
  post(message: unknown, scope: TaskScope): Promise<void>;
  ask(question: unknown, scope: TaskScope): Promise<unknown>;
  transfer<Value>(value: Value, memory: readonly ArrayBuffer[]): Value;
}

/**
 * One running task: its `ctx`. There is one for each task, so that all that most tasks do not need
 * is made when it is asked for.
 */
export class TaskScope implements TaskContext<unknown, unknown> {
  readonly id: number;
  readonly #owner: ScopeOwner;
  #abort: AbortController | undefined;
  #reason: Error | undefined;
  /** It was answered: what it still does or throws is nobody's business. */
  isAnswered = false;
  /** Its messages that wait for room. */
  waitingMessages = 0;
  /** Called when the last of them has left. */
  onMessagesSent: (() => void) | undefined;

  constructor(owner: ScopeOwner, id: number) {
    this.#owner = owner;
    this.id = id;
  }

  get workerNumber(): number {
    return this.#owner.facts.workerNumber;
  }

  get pool(): string {
    return this.#owner.facts.pool;
  }

  get data(): unknown {
    return this.#owner.facts.data;
  }

  get state(): unknown {
    return this.#owner.facts.state;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#reason !== undefined) this.#abort.abort(this.#reason);
    return this.#abort.signal;
  }

  // Getters, so that they also work taken out of ctx: ({ post }) => post(1).
  get post(): (message: unknown) => Promise<void> {
    return (message) => this.#owner.post(message, this);
  }

  get ask(): (question: unknown) => Promise<unknown> {
    return (question) => this.#owner.ask(question, this);
  }

  get transfer(): TaskContext["transfer"] {
    return (value, memory) => this.#owner.transfer(value, memory);
  }

  /** The caller has given up: by itself, maybe with a reason, or because its limit of so many milliseconds is over. */
  cancel(limitMs: number, reason: Error | undefined): void {
    const what = "The task";
    this.#reason =
      limitMs > 0
        ? newelError("NEWEL_E_DEADLINE", { what, limitMs })
        : (reason ?? newelError("NEWEL_E_CANCELLED", { what }));
    this.#abort?.abort(this.#reason);
  }
}
