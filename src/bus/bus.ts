import { newelError, type NewelError } from "../base/errors.ts";
import { nextState } from "../base/machine.ts";
import {
  type BlockOptions,
  type BusOptions,
  type PlannedStep,
  type TimelineEntry,
  type WaitOptions,
} from "./bus-options.ts";
import type { ChannelMap, LifecycleName, OpenChannels } from "./channels.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { ChannelFailures, ExitRequest, type ListenerFailure } from "./failures.ts";
import { MainLoop } from "./main-loop.ts";
import { flushOutput, leave } from "./output.ts";
import { type Outcome, throwFailures } from "./publish.ts";
import { PubSub } from "./pubsub.ts";
import { isRehearsal } from "./rehearsal.ts";
import { Replacement } from "./replacement.ts";
import { type BusEvent, type BusState, canBecome, STATE_WORDS, TRANSITIONS } from "./states.ts";
import { Steps } from "./steps.ts";
import { type Ending, Tasks } from "./tasks.ts";
import { codeWhenUncaught } from "./uncaught.ts";
import { Waiters } from "./waiters.ts";

/** A ref'd timer that never matters: it keeps the loop alive at the price of no wake-up. */
const HOLD_MS = 2 ** 31 - 1;

const UNLIMITED = { limitMs: Infinity };

/**
 * The lifecycle of a process: its states, and channels that say when each is due. There is one
 * shutdown, however often and from wherever it is asked for, and it runs to its end: a listener that
 * fails or hangs does not keep the later ones from running. After CherryPy's process bus.
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
  #state: BusState = "idle";
  readonly #steps: Steps;
  readonly #waiters = new Waiters();
  readonly #tasks = new Tasks();
  readonly #mainLoops = new Set<MainLoop>();
  #startAbort = new AbortController();
  #starting: Promise<void> | undefined;
  #startStep: Promise<Outcome> | undefined;
  #stopping: Promise<Outcome> | undefined;
  #graceful: Promise<unknown> = Promise.resolve();
  #restarting: Promise<void> | undefined;
  #shutdown: Promise<number> | undefined;
  #ended: Promise<number> | undefined;
  #askedCode: number | undefined;
  readonly #replacement = new Replacement();
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
  }

  get state(): BusState {
    return this.#state;
  }

  /** Whether the one shutdown has begun. */
  get exiting(): boolean {
    return this.#shutdown !== undefined;
  }

  /** Whether that shutdown makes way for a new image of the program. */
  get restarting(): boolean {
    return this.#replacement.isDue;
  }

  /** Whether a plugin can restart this program. */
  get canRestart(): boolean {
    return this.#replacement.isKnown;
  }

  /** How many restarts were asked for while one was under way: the new image owes them. */
  get restartsOwed(): number {
    return this.#replacement.owed;
  }

  /** The lifecycle listener that runs now, as logs name it. */
  get running(): string | undefined {
    return this.#steps.running;
  }

  /** The code the process is to end with, as things stand: see {@link EXIT_CODES}. */
  get exitCode(): number {
    const asked = this.#askedCode ?? EXIT_CODES.ok;
    return asked === EXIT_CODES.ok && this.failures.length > 0 ? EXIT_CODES.listenerFailed : asked;
  }

  /** The listeners that failed in the last start and in the shutdown. */
  get failures(): readonly ListenerFailure[] {
    return this.#steps.failures;
  }

  /** Which listeners the last start and the shutdown ran, and how long each took. */
  get timeline(): readonly TimelineEntry[] {
    return this.#steps.timeline;
  }

  /**
   * Runs the `start` listeners in order; nothing happens when started already. When one fails, the
   * bus shuts down. An exit asked for meanwhile ends the start after the listener that is running;
   * then this resolves once the bus has exited, so look at `state`.
   *
   * @throws ChannelFailures once the bus has exited, when a listener failed
   * @throws NEWEL_E_BUS_TRANSITION when stopping, failed or exited
   */
  async start(): Promise<void> {
    if (this.#state === "started") return;
    if (this.#state === "starting") {
      if (!this.#steps.areAround) await this.#starting;
      return;
    }
    if (isRehearsal()) {
      const { guardParent } = await import("./guard.ts");
      await guardParent();
      await leave(EXIT_CODES.ok);
    }
    this.#move("start");
    this.#starting = this.#runStart();
    await this.#starting;
    if (this.#shutdown !== undefined && !this.#steps.areAround) await this.#shutdown;
  }

  /**
   * Starts, then calls `callback` with these arguments.
   *
   * @returns what it returned, or `undefined` when an exit came first
   */
  async startWithCallback<Arguments extends readonly unknown[], Value>(
    callback: (...args: Arguments) => Value,
    ...args: Arguments
  ): Promise<Awaited<Value> | undefined> {
    await this.start();
    return this.#state === "started" ? await callback(...args) : undefined;
  }

  /**
   * Runs the `stop` listeners in order, all of them; the bus is idle afterwards and can start again.
   *
   * @throws ChannelFailures when listeners failed; the bus is then `failed`
   * @throws NEWEL_E_BUS_TRANSITION when exiting or exited
   */
  async stop(): Promise<void> {
    if (this.#state === "stopping" && this.#steps.areAround) return;
    const outcome = await this.#stopOnce();
    if (outcome.request !== undefined) {
      this.#askCode(outcome.request.exitCode);
      await (this.#shutdown ??= this.#shutDown(true));
    }
    throwFailures("stop", outcome);
  }

  /**
   * Runs the `graceful` listeners of a started bus, which stays started. Two calls run one after
   * the other.
   *
   * @throws ChannelFailures when listeners failed
   * @throws NEWEL_E_BUS_TRANSITION when not started
   */
  async graceful(): Promise<void> {
    if (this.#state !== "started") throw this.#illegal("graceful");
    const run = this.#graceful.then(() => {
      this.log(`${this.name} graceful`);
      return this.#steps.run("graceful");
    });
    this.#graceful = run;
    if (this.#steps.areAround) return;
    throwFailures("graceful", await run);
  }

  /**
   * Leaves for a new image of the program. The `restart` listeners come first and may refuse: then
   * nothing has happened. After that all goes as in `exit()`, and what a plugin gave to
   * {@link replaceWith} takes the process over.
   *
   * @throws ChannelFailures when a listener refused
   * @throws NEWEL_E_BUS_NO_RESTART when no plugin can restart this program
   */
  async restart(): Promise<void> {
    this.#replacement.check();
    if (this.#restarting !== undefined && !this.#steps.areAround) this.#replacement.owe();
    this.#restarting ??= this.#runRestart().finally(() => {
      this.#restarting = undefined;
    });
    if (!this.#steps.areAround) await this.#restarting;
  }

  /**
   * Shuts down: `stop` listeners, then `exit` listeners. Every call shares the one shutdown; a call
   * from inside one of its own listeners resolves at once, as it could never see the end.
   *
   * @param code - what the process should end with; default: as {@link EXIT_CODES} has it
   * @returns the exit code. It never rejects: failures are logged, and kept in `failures`
   */
  async exit(code?: number): Promise<number> {
    this.#askCode(code ?? (this.#state === "starting" ? EXIT_CODES.listenerFailed : undefined));
    this.#replacement.makeDue(false);
    this.#shutdown ??= this.#shutDown(false);
    return this.#steps.areAround ? this.exitCode : await this.#shutdown;
  }

  /**
   * Keeps the process until the bus has exited and every task has ended, publishing `main` meanwhile.
   * Then `process.exitCode` is set; the process ends when nothing else holds it.
   *
   * @returns the exit code
   */
  async block(options: BlockOptions = {}): Promise<number> {
    const hold = setInterval(() => undefined, HOLD_MS);
    const loop = new MainLoop(
      () => this.#publishMain(options.exitOnMainFailure ?? false),
      () => this.listenersOf("main").length > 0,
      options.intervalMs ?? 100,
    );
    this.#mainLoops.add(loop);
    loop.wake();
    try {
      await this.wait("exited");
      loop.stop();
      this.#logTasks();
      const code = await (this.#ended ?? this.exitCode);
      if (code !== EXIT_CODES.ok) process.exitCode = code;
      return code;
    } finally {
      loop.stop();
      this.#mainLoops.delete(loop);
      clearInterval(hold);
    }
  }

  /**
   * Resolves with the first of these states that the bus is in or enters.
   *
   * @throws NEWEL_E_BUS_TRANSITION when none of them can be reached any more
   */
  async wait(states: BusState | readonly BusState[], options: WaitOptions = {}): Promise<BusState> {
    const wanted = typeof states === "string" ? [states] : states;
    if (wanted.includes(this.#state)) return this.#state;
    if (!wanted.some((state) => canBecome(this.#state, state)))
      throw this.#illegal(`become ${wanted.join(" or ")}`);
    const waiting = this.#waiters.add(wanted, options.signal);
    const { channel } = options;
    if (channel === undefined) return waiting;
    const beat = setInterval(
      () => void this.inTurn(channel, [], UNLIMITED),
      options.intervalMs ?? 100,
    );
    return waiting.finally(() => clearInterval(beat));
  }

  /** Makes `block()` wait for a task: a promise, or a Worker or child process until its `exit`. */
  keep(name: string, task: PromiseLike<unknown> | Ending): void {
    this.#tasks.add(name, task);
  }

  /** The tasks of {@link keep} that have not ended. */
  get tasks(): readonly string[] {
    return this.#tasks.names();
  }

  /** What takes the process over at the very end of a restart: for plugins that can do that. */
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
    if (channel === "main") for (const loop of this.#mainLoops) loop.wake();
  }

  async #runStart(): Promise<void> {
    this.#steps.clear();
    this.#startAbort = new AbortController();
    process.on("beforeExit", this.#leftAlone);
    this.#startStep = this.#steps.run("start", { signal: this.#startAbort.signal });
    const outcome = await this.#startStep;
    this.#steps.fail(outcome);
    if (outcome.request !== undefined) {
      await this.exit(outcome.request.exitCode);
    } else if (this.#startAbort.signal.aborted) {
      // Whoever broke it off waits for this promise, and goes on from here.
    } else if (outcome.failures.length > 0) {
      this.#move("fail");
      await this.exit();
      const failed = new ChannelFailures("start", outcome.failures, outcome.results);
      codeWhenUncaught(failed, this.exitCode);
      // Uncaught, it ends the process at once, and what stdout still holds would be lost.
      await flushOutput();
      throw failed;
    } else {
      this.#move("started");
    }
  }

  /** Stops, or joins the stop that is running. */
  #stopOnce(): Promise<Outcome> {
    this.#stopping ??= this.#runStop().finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  async #runStop(): Promise<Outcome> {
    await this.#breakOffStart();
    this.#move("stop");
    const outcome = await this.#steps.run("stop", { thorough: true });
    this.#steps.fail(outcome);
    this.#move(outcome.failures.length > 0 ? "fail" : "stopped");
    return outcome;
  }

  /** Skips the start listeners that have not begun, and lets the one that runs come to its end. */
  async #breakOffStart(): Promise<void> {
    if (this.#state !== "starting") return;
    this.#startAbort.abort();
    await this.#startStep;
  }

  /** @param stopped - the stop listeners have just run */
  async #shutDown(stopped: boolean): Promise<number> {
    if (!stopped) this.#askCode((await this.#stopOnce()).request?.exitCode);
    this.#move("exit");
    const outcome = await this.#steps.run("exit", { thorough: true });
    this.#steps.fail(outcome);
    this.#askCode(outcome.request?.exitCode);
    process.off("beforeExit", this.#leftAlone);
    this.#move("exited");
    this.#ended = this.#end();
    return this.exitCode;
  }

  /** What follows the last state: the tasks, then the new image if there is one. */
  async #end(): Promise<number> {
    await this.#tasks.ended();
    if (!this.#replacement.isDue) return this.exitCode;
    await flushOutput();
    try {
      await this.#replacement.takeOver();
    } catch (error) {
      this.log("The new image of the program could not be started.", "error", error);
      this.#askCode(EXIT_CODES.listenerFailed);
    }
    return this.exitCode;
  }

  async #runRestart(): Promise<void> {
    if (this.#state !== "started") throw this.#illegal("restart");
    throwFailures("restart", await this.#steps.run("restart"));
    this.#replacement.makeDue(this.#shutdown === undefined);
    await (this.#shutdown ??= this.#shutDown(false));
  }

  async #publishMain(exitOnFailure: boolean): Promise<void> {
    const { failures, request } = await this.inTurn("main", [], UNLIMITED);
    if (request !== undefined) await this.exit(request.exitCode);
    else if (exitOnFailure && failures.length > 0) await this.exit(EXIT_CODES.listenerFailed);
  }

  #move(event: BusEvent): void {
    const next = nextState(TRANSITIONS, this.#state, event);
    if (next === undefined) throw this.#illegal(event);
    this.#state = next;
    this.log(`${this.name} ${STATE_WORDS[event]}`, event === "fail" ? "error" : "info");
    try {
      this.publishNow(next, []);
    } catch (error) {
      // Failures are in the log by now; they are no reason to leave the path of the states.
      if (error instanceof ExitRequest) void this.exit(error.exitCode);
      else if (!(error instanceof ChannelFailures)) throw error;
    }
    this.#waiters.entered(next);
  }

  #illegal(event: string): NewelError {
    return newelError("NEWEL_E_BUS_TRANSITION", { event, state: this.#state });
  }

  /** The first code that is not 0 stays: what is asked later does not hide it. */
  #askCode(code: number | undefined): void {
    if ((this.#askedCode ?? EXIT_CODES.ok) === EXIT_CODES.ok)
      this.#askedCode = code ?? this.#askedCode;
  }

  #logTasks(): void {
    this.log("Waiting for tasks to end");
    if (this.tasks.length > 0) this.log(`Waiting for ${this.tasks.join(", ")}`);
  }

  /** The event loop ran empty: nobody holds it with `block()`, and nobody has asked for the exit. */
  #exitLeftAlone(): void {
    if (this.#shutdown !== undefined) return;
    this.log(
      `The event loop ended while the bus was ${this.#state}, without block() or exit(). Exiting now.`,
      "warn",
    );
    void this.exit().then((code) => {
      if (code !== EXIT_CODES.ok) process.exitCode = code;
    });
  }
}
