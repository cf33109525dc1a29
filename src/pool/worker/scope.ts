import type { AsyncLocalStorage } from "node:async_hooks";

import { newelError } from "../../base/errors.ts";
import type { Transferable } from "../transferable.ts";
import { TaskFlag } from "../protocol.ts";
import type { TaskContext } from "./define-worker.ts";
import type { ItemStream } from "./item-stream.ts";

/** The facts that all tasks of a worker share. */
export interface WorkerFacts {
  readonly workerNumber: number;
  readonly pool: string;
  readonly data: unknown;
  state: unknown;
}

/** The requests of a task's scope to the worker. */
export interface ScopeOwner {
  readonly facts: WorkerFacts;
  post(message: unknown, scope: TaskScope): Promise<void>;
  ask(question: unknown, scope: TaskScope): Promise<unknown>;
  transfer<Value>(value: Value, memory: readonly Transferable[]): Value;
}

/**
 * One running task: its `ctx`. There is one per task, so all parts that most tasks do not need are
 * made on first use.
 */
export class TaskScope implements TaskContext<unknown, unknown> {
  readonly id: number;
  readonly #owner: ScopeOwner;
  #abort: AbortController | undefined;
  #reason: Error | undefined;
  /** Whether it was answered: its later results and errors are ignored. */
  isAnswered = false;
  /** Its {@link TaskFlag}s. */
  readonly #kind: number;
  /** Whether it is asynchronous and has not ended. */
  isRunning = false;
  /** The sending end of its stream, once its source is known. */
  stream: ItemStream | undefined;
  /** The context in which its function was called, if that is another than the present one. */
  inContext: ReturnType<typeof AsyncLocalStorage.snapshot> | undefined;
  /** Its messages that wait for room. */
  waitingMessages = 0;
  /** Called when the last of them has been sent. */
  onMessagesSent: (() => void) | undefined;

  constructor(owner: ScopeOwner, id: number, kind: number) {
    this.#owner = owner;
    this.id = id;
    this.#kind = kind;
  }

  /** Whether it has a deadline or a signal. */
  get mayBeGivenUp(): boolean {
    return (this.#kind & TaskFlag.MAY_BE_GIVEN_UP) !== 0;
  }

  /** Whether its caller reads a stream. */
  get isStream(): boolean {
    return (this.#kind & TaskFlag.STREAM) !== 0;
  }

  /** Whether it calls a function of the module by its name. */
  get isNamed(): boolean {
    return (this.#kind & TaskFlag.NAMED) !== 0;
  }

  /** Whether its caller has given it up. */
  get isGivenUp(): boolean {
    return this.#reason !== undefined;
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

  // Getters, so that they also work when destructured from ctx: ({ post }) => post(1).
  get post(): (message: unknown) => Promise<void> {
    return (message) => this.#owner.post(message, this);
  }

  get ask(): (question: unknown) => Promise<unknown> {
    return (question) => this.#owner.ask(question, this);
  }

  get transfer(): TaskContext["transfer"] {
    return (value, memory) => this.#owner.transfer(value, memory);
  }

  /**
   * The caller has given up the task: by cancelling it, possibly with a reason, or because its
   * limit of this many milliseconds expired.
   */
  cancel(limitMs: number, reason: Error | undefined): void {
    const what = "The task";
    this.#reason =
      limitMs > 0
        ? newelError("NEWEL_E_DEADLINE", { what, limitMs })
        : (reason ?? newelError("NEWEL_E_CANCELLED", { what }));
    this.#abort?.abort(this.#reason);
    this.stream?.stop();
  }
}
