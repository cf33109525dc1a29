import type { BlockOptions } from "./bus-options.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import type { LogLevel } from "./log.ts";
import { MainLoop } from "./main-loop.ts";
import type { Outcome } from "./publish.ts";
import { listed } from "./resources.ts";
import { type Task, Tasks } from "./tasks.ts";

/** The longest timer: it holds the event loop and practically never fires. */
const HOLD_MS = 2 ** 31 - 1;
/** After this many milliseconds the tasks that a process waits for are named in a warning. */
const WARN_MS = 2_000;

/** The parts of the bus that blocking uses. */
interface BlockedBus {
  log(message: string, level?: LogLevel): void;
  /** Resolves when the bus has exited. */
  readonly exited: Promise<void>;
  readonly exitCode: number;
  /** Whether `main` is to be published: the bus is started, and no stop or exit was requested. */
  wantsMain(): boolean;
  publishMain(): Promise<Outcome>;
  exit(code: number): void;
}

/** Keeps a process until its bus has exited and its tasks have ended, and publishes `main` until then. */
export class Blocking {
  readonly #bus: BlockedBus;
  readonly #tasks = new Tasks();
  /** One loop for all calls of `block()`: with two, `main` would be published twice as often. */
  readonly #loop: MainLoop;
  readonly #calls = new WeakSet<object>();
  #exitOnMainFailure = false;
  #over: Promise<void> | undefined;

  constructor(bus: BlockedBus) {
    this.#bus = bus;
    this.#loop = new MainLoop(
      () => this.#publishMain(),
      () => bus.wantsMain(),
    );
  }

  /** The names of the tasks that have not ended. */
  get tasks(): readonly string[] {
    return this.#tasks.names();
  }

  /** Begins a call of `block()`. */
  block(options: BlockOptions): Promise<number> {
    const call = this.#wait(options);
    this.#calls.add(call);
    return call;
  }

  keep(name: string, task: Task): void {
    if (this.#calls.has(task))
      this.#bus.log(
        `The task ${name} is block() itself, which waits for all tasks: ignored.`,
        "warn",
      );
    else this.#tasks.add(name, task);
  }

  /** Begins to publish `main` if the bus is in a state that needs it. */
  wakeMain(): void {
    this.#loop.wake();
  }

  /**
   * The bus has exited: waits for the tasks, then calls `last`, and only then do the calls resolve.
   */
  end(last: () => Promise<void>): void {
    this.#over = this.#tasksEnded().then(last);
  }

  async #wait({ intervalMs = 100, exitOnMainFailure = false }: BlockOptions): Promise<number> {
    const bus = this.#bus;
    const hold = setInterval(() => undefined, HOLD_MS);
    this.#exitOnMainFailure ||= exitOnMainFailure;
    this.#loop.begin(intervalMs);
    try {
      await bus.exited;
      this.#loop.stop();
      bus.log("Waiting for tasks to end");
      if (this.tasks.length > 0) bus.log(`Waiting for ${listed(this.tasks)}`);
      // A promise that no code in the process can settle any more is not waited for.
      if (!this.#tasks.anyEmits) hold.unref();
      if (this.#tasks.areAround) await this.#tasks.othersEnded();
      else await this.#overAndEmpty();
      if (bus.exitCode !== EXIT_CODES.ok) process.exitCode = bus.exitCode;
      return bus.exitCode;
    } finally {
      clearInterval(hold);
    }
  }

  /** Tasks may also come after the bus has exited. */
  async #overAndEmpty(): Promise<void> {
    await this.#over;
    if (this.tasks.length > 0) await this.#tasksEnded();
  }

  async #tasksEnded(): Promise<void> {
    const stuck = (): void => {
      const names = listed(this.tasks);
      this.#bus.log(`Nothing is left that could end these tasks: ${names}. Not waiting.`, "warn");
      this.#tasks.drop();
    };
    const slow = setTimeout(() => this.#warn(), WARN_MS).unref();
    process.once("beforeExit", stuck);
    await this.#tasks.ended();
    process.off("beforeExit", stuck);
    clearTimeout(slow);
  }

  #warn(): void {
    const names = listed(this.tasks);
    this.#bus.log(
      `The bus has exited, and the process still waits for: ${names}. A task that itself awaits block() must be given to keep() as a function.`,
      "warn",
    );
  }

  async #publishMain(): Promise<void> {
    const { failures } = await this.#bus.publishMain();
    if (this.#exitOnMainFailure && failures.length > 0) this.#bus.exit(EXIT_CODES.listenerFailed);
  }
}
