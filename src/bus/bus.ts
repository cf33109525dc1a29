import { newelError, type NewelError } from "../base/errors.ts";
import { Blocking } from "./blocking.ts";
import type {
  BlockOptions,
  BusOptions,
  PlannedStep,
  TimelineEntry,
  WaitOptions,
} from "./bus-options.ts";
import type { ChannelMap, LifecycleName, OpenChannels } from "./channels.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { ChannelFailures, type ExitRequest, type ListenerFailure } from "./failures.ts";
import { Lifecycle } from "./lifecycle/driver.ts";
import { answerTo, canEnter, isWorking, type Life } from "./lifecycle/machine.ts";
import type { BusState } from "./lifecycle/states.ts";
import { Steps } from "./lifecycle/steps.ts";
import { Waiters } from "./lifecycle/waiters.ts";
import { flushOutput, leave } from "./output.ts";
import { throwFailures } from "./publish.ts";
import { PubSub } from "./pubsub.ts";
import { isRehearsal } from "./rehearsal.ts";
import { Replacement } from "./replacement.ts";
import type { Task } from "./tasks.ts";
import { codeWhenUncaught } from "./uncaught.ts";

/**
 * The lifecycle of a process: its states, and channels that are published at each transition. There
 * is one shutdown, regardless of the number, origin and state of the requests, and it runs to its
 * end: a listener that fails or hangs does not keep the later listeners from running. After
 * CherryPy's process bus.
 *
 * @example
 * const bus = new Bus();
 * signals(bus);
 * bus.subscribe('start', () => server.listen(port));
 * bus.subscribe('stop', () => drain(server));
 * await bus.start();
 * await bus.block();
 */
export class Bus<Channels extends ChannelMap<Channels> = OpenChannels>
  extends PubSub<Channels>
  implements AsyncDisposable
{
  readonly #steps: Steps;
  readonly #lifecycle: Lifecycle;
  readonly #waiters = new Waiters();
  readonly #blocking: Blocking;
  readonly #replacement = new Replacement();
  #restarting: Promise<void> | undefined;
  /** Ends the running round of `main`: an exit request leaves out its later listeners. */
  #mainRound = new AbortController();
  readonly #unlimited = {
    limitMs: Infinity,
    onRequest: (request: ExitRequest) => this.exitRequested(request),
  };
  readonly #leftAlone = (): void => this.#exitLeftAlone();

  constructor(options: BusOptions = {}) {
    super(options.name ?? "Bus");
    this.#steps = new Steps(
      {
        inTurn: (channel, turn) => this.inTurn(channel, [], turn),
        warn: (message) => this.log(message, "warn"),
      },
      options.timeoutsMs,
    );
    this.#lifecycle = new Lifecycle(
      this.name,
      {
        log: (message, level) => this.log(message, level),
        publishState: (state) => this.publishToAll(state),
        entered: (life) => this.#entered(life),
        changed: (life) => this.#changed(life),
      },
      this.#steps,
    );
    this.#blocking = this.#makeBlocking();
  }

  /** The state of the lifecycle at this moment. */
  get state(): BusState {
    return this.#lifecycle.life.state;
  }

  /** Whether the one shutdown has begun. */
  get exiting(): boolean {
    return this.#lifecycle.life.wanted.exit;
  }

  /** Whether that shutdown is part of a restart into a new image of the program. */
  get restarting(): boolean {
    return this.#lifecycle.life.restarting;
  }

  /** Whether a plugin can restart this program. */
  get canRestart(): boolean {
    return this.#replacement.isKnown;
  }

  /** The number of restarts requested while one was under way: the new image carries them out. */
  get restartsOwed(): number {
    return this.#replacement.owed;
  }

  /** The lifecycle listener that runs at present, as logs name it. */
  get running(): string | undefined {
    return this.#steps.running;
  }

  /** The present exit code of the process: see {@link EXIT_CODES}. */
  get exitCode(): number {
    const asked = this.#lifecycle.life.code ?? EXIT_CODES.ok;
    return asked === EXIT_CODES.ok && this.failures.length > 0 ? EXIT_CODES.listenerFailed : asked;
  }

  /** The listeners that failed in the last start and in the shutdown. */
  get failures(): readonly ListenerFailure[] {
    return this.#steps.failures;
  }

  /** The listeners that the last start and the shutdown ran, and the duration of each. */
  get timeline(): readonly TimelineEntry[] {
    return this.#steps.timeline;
  }

  /**
   * Runs the `start` listeners in order; does nothing when the bus is started already. When a
   * listener fails, the bus shuts down. A stop or an exit requested in the meantime ends the start
   * after the running listener; then this resolves (after an exit: once the bus has exited), so
   * check `state`.
   *
   * @throws ChannelFailures once the bus has exited, when a listener failed
   * @throws NEWEL_E_BUS_TRANSITION when stopping, failed or exited, and once an exit was asked for
   */
  async start(): Promise<void> {
    const answer = answerTo(this.#lifecycle.life, "start");
    if (answer === "done") return;
    if (answer === "refused") throw this.#illegal("start");
    if (this.state === "idle" && isRehearsal()) {
      const { guardParent } = await import("./guard.ts");
      await guardParent();
      await leave(EXIT_CODES.ok);
    }
    const turn = this.#lifecycle.ask("start");
    if (this.#steps.areAround) return;
    const { failures, results } = await turn;
    if (!this.exiting) return;
    await this.#lifecycle.exited;
    if (failures.length === 0) return;
    const failed = new ChannelFailures("start", failures, results);
    codeWhenUncaught(failed, this.exitCode);
    // An uncaught error ends the process immediately, and output that a pipe has not accepted yet
    // would be lost.
    await flushOutput();
    throw failed;
  }

  /**
   * Starts, then calls `callback` with these arguments.
   *
   * @returns its result, or `undefined` when an exit came first
   */
  async startWithCallback<Arguments extends readonly unknown[], Value>(
    callback: (...args: Arguments) => Value,
    ...args: Arguments
  ): Promise<Awaited<Value> | undefined> {
    await this.start();
    return this.state === "started" ? await callback(...args) : undefined;
  }

  /**
   * Runs the `stop` listeners in order, all of them; the bus is idle afterwards and can start again.
   * A graceful or a start that is under way ends first, after the listener that is running. When a
   * listener throws an `ExitRequest`, this resolves once the bus has exited.
   *
   * @throws ChannelFailures when listeners failed; the bus is then `failed`
   * @throws NEWEL_E_BUS_TRANSITION when exiting or exited
   */
  async stop(): Promise<void> {
    await this.#take("stop");
  }

  /**
   * Runs the `graceful` listeners of a started bus, which stays started. Two calls run one after
   * the other. A stop or an exit asked for in the meantime aborts the step of the listener that is
   * running, waits for it, and skips the later ones; then this resolves.
   *
   * @throws ChannelFailures when listeners failed
   * @throws NEWEL_E_BUS_TRANSITION when not started, and once a stop or an exit was asked for
   */
  async graceful(): Promise<void> {
    await this.#take("graceful");
  }

  /**
   * Restarts into a new image of the program. The `restart` listeners run first and may refuse:
   * then nothing changes. After that the bus shuts down as in `exit()`, and the function that a
   * plugin passed to {@link replaceWith} replaces the program.
   *
   * @throws ChannelFailures when a listener refused
   * @throws NEWEL_E_BUS_NO_RESTART when no plugin can restart this program
   * @throws NEWEL_E_BUS_TRANSITION when not started, and once a stop or an exit was asked for
   */
  async restart(): Promise<void> {
    this.#replacement.check();
    const { life } = this.#lifecycle;
    const inside = this.#steps.areAround;
    if (!life.wanted.restart && !life.restarting) {
      if (!this.#lifecycle.accepts("restart")) throw this.#illegal("restart");
      this.#restarting = this.#take("restart").finally(() => {
        if (!this.restarting) this.#replacement.forgive();
      });
      // Each caller gets the error; if all callers are listeners of the step, it is only in the
      // log.
      this.#restarting.catch(() => undefined);
    } else if (!inside) {
      this.#replacement.owe();
    }
    if (!inside) await this.#restarting;
  }

  /**
   * Shuts down: `stop` listeners, then `exit` listeners. There is one shutdown, and every call waits for it. A call
   * within a listener of the shutdown resolves at once, because the shutdown waits for that listener.
   *
   * @param code - the exit code of the process, 0 to 255 (any other number counts as 70); default: see
   * {@link EXIT_CODES}
   * @returns the exit code. It never rejects: failures are logged, and kept in `failures`
   */
  async exit(code?: number): Promise<number> {
    this.#lifecycle.askExit(code);
    if (!this.#steps.areAround) await this.#lifecycle.exited;
    return this.exitCode;
  }

  /**
   * Keeps the process alive until the bus has exited and every task of {@link keep} has ended;
   * `main` is published while the bus is started. Then `process.exitCode` is set; the process ends
   * when nothing else keeps it alive.
   *
   * @returns the exit code
   */
  block(options: BlockOptions = {}): Promise<number> {
    return this.#blocking.block(options);
  }

  /**
   * Resolves with the first of these states that the bus is in or enters.
   *
   * @throws NEWEL_E_BUS_TRANSITION when none of them can be entered, immediately or as soon as that
   * is so
   */
  async wait(states: BusState | readonly BusState[], options: WaitOptions = {}): Promise<BusState> {
    const wanted = typeof states === "string" ? [states] : states;
    if (wanted.includes(this.state)) return this.state;
    if (!wanted.some((state) => canEnter(this.#lifecycle.life, state)))
      throw this.#illegal(become(wanted));
    const waiting = this.#waiters.add(wanted, options.signal);
    const { channel } = options;
    if (channel === undefined) return waiting;
    const beat = setInterval(
      () => void this.inTurn(channel, [], this.#unlimited),
      options.intervalMs ?? 100,
    );
    return waiting.finally(() => clearInterval(beat));
  }

  /**
   * Makes `block()` wait for a task: a promise, a Worker or child process until its `exit`, or a function
   * that is called at once and returns a promise. Such a function may itself await `block()`: tasks that
   * do so do not wait for each other.
   */
  keep(name: string, task: Task): void {
    this.#blocking.keep(name, task);
  }

  /** The tasks of {@link keep} that have not ended. */
  get tasks(): readonly string[] {
    return this.#blocking.tasks;
  }

  /** Sets the function that replaces the program at the very end of a restart: for plugins. */
  replaceWith(act: () => Promise<void> | void): void {
    this.#replacement.isDoneBy(act);
  }

  /** The lifecycle listeners in the order they would run. */
  plan(): Record<LifecycleName, readonly PlannedStep[]> {
    const steps = (channel: LifecycleName): PlannedStep[] =>
      this.#steps.plan(channel, this.listenersOf(channel));
    return {
      start: steps("start"),
      stop: steps("stop"),
      restart: steps("restart"),
      graceful: steps("graceful"),
      exit: steps("exit"),
    };
  }

  /** `await using bus = new Bus()`: exits at the end of the block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.exit();
  }

  protected override subscribed(channel: string): void {
    if (channel === "main") this.#blocking.wakeMain();
  }

  protected override exitRequested({ exitCode }: ExitRequest): void {
    this.#lifecycle.askExit(exitCode);
  }

  async #take(command: "stop" | "graceful" | "restart"): Promise<void> {
    if (!this.#lifecycle.accepts(command)) throw this.#illegal(command);
    const turn = this.#lifecycle.ask(command);
    // A listener would wait for the end of the step that waits for it.
    if (this.#steps.areAround && command !== "restart") return;
    const { failures, results, request } = await turn;
    const leaves = request !== undefined || (command === "restart" && this.exiting);
    if (leaves) await this.#lifecycle.exited;
    throwFailures(command, { failures, results });
  }

  #entered(life: Life): void {
    const { state } = life;
    this.#waiters.entered(state);
    this.#changed(life);
    if (state === "starting") {
      process.off("beforeExit", this.#leftAlone);
      process.on("beforeExit", this.#leftAlone);
    } else if (state === "started") {
      this.#mainRound = new AbortController();
      this.#blocking.wakeMain();
    } else if (state === "exited") {
      process.off("beforeExit", this.#leftAlone);
      this.#blocking.end(() => this.#replace());
    }
  }

  #changed(life: Life): void {
    if (!isWorking(life)) this.#mainRound.abort();
    this.#waiters.giveUp(
      (state) => state === life.state || canEnter(life, state),
      (states) => this.#illegal(become(states)),
    );
  }

  /** After a restart's shutdown: replaces the program. */
  async #replace(): Promise<void> {
    if (!this.restarting) return;
    await flushOutput();
    try {
      await this.#replacement.takeOver();
    } catch (error) {
      this.log("The new image of the program could not be started.", "error", error);
      this.#lifecycle.askExit(EXIT_CODES.listenerFailed);
    }
  }

  #makeBlocking(): Blocking {
    const lifecycle = this.#lifecycle;
    const exitCode = (): number => this.exitCode;
    return new Blocking({
      log: (message, level) => this.log(message, level),
      exited: lifecycle.exited,
      get exitCode() {
        return exitCode();
      },
      wantsMain: () => isWorking(lifecycle.life) && this.listenersOf("main").length > 0,
      publishMain: () =>
        this.inTurn("main", [], { ...this.#unlimited, signal: this.#mainRound.signal }),
      exit: (code) => lifecycle.askExit(code),
    });
  }

  #illegal(event: string): NewelError {
    const { state, exiting } = this;
    const isOnItsWay = exiting && state !== "exiting" && state !== "exited";
    return newelError("NEWEL_E_BUS_TRANSITION", {
      event,
      state: isOnItsWay ? `${state} and about to exit` : state,
    });
  }

  /** The event loop ran empty: no block() keeps it alive, and no exit was requested. */
  #exitLeftAlone(): void {
    if (this.exiting) return;
    this.log(
      `The event loop ended while the bus was ${this.state}, without block() or exit(). Exiting now.`,
      "warn",
    );
    void this.exit().then((code) => {
      if (code !== EXIT_CODES.ok) process.exitCode = code;
    });
  }
}

function become(states: readonly BusState[]): string {
  return `become ${states.join(" or ")}`;
}
