import { AsyncLocalStorage } from "node:async_hooks";

import { messageOf } from "../../base/errors.ts";
import { monotonicMs, setImmediate, setInterval } from "../../base/globals.ts";
import type { Frame } from "../../wire/frames.ts";
import {
  bodyOfError,
  decodeBody,
  decodeCloned,
  decodeError,
  readContext,
  type Body,
  type Carried,
} from "../body.ts";
import { Link, type ClonedFrame, type LinkReceiver, type PoolTransport } from "../link.ts";
import { TaskFlag, ToPool, ToWorker, type WorkerSetup } from "../protocol.ts";
import { notCloneable, type Transferable } from "../transferable.ts";
import { Asks } from "./asks.ts";
import { runWithin } from "./context.ts";
import { ItemStream } from "./item-stream.ts";
import { loadProgram, type ProgramOwner, type WorkerProgram } from "./load.ts";
import { Messages } from "./messages.ts";
import { Outbound } from "./outbound.ts";
import type { ProgressWriter } from "./progress-writer.ts";
import { TaskScope, type ScopeOwner, type WorkerFacts } from "./scope.ts";
import { TaskQueue, type QueuedTask } from "./task-queue.ts";
import { joinTelemetry, type TaskTelemetry } from "./telemetry.ts";

/** After this much work in one turn the answers are sent before more tasks begin. */
const MAX_TURN_MS = 1;

/** The differences between the two kinds of workers, thread and process. */
export interface RunnerHost {
  readonly canClone: boolean;
  readonly progress: ProgressWriter;
  /** Called before the module is loaded. */
  prepare(setup: WorkerSetup): void | Promise<void>;
  exit(code: number): void;
}

/** Makes this process or thread the worker at the other end of the transport. */
export function startRunner(transport: PoolTransport, host: RunnerHost): object {
  return new Runner(transport, host);
}

/** Runs a task in the context of this module: an `enterWith` of one task does not reach the next. */
const inCleanContext = AsyncLocalStorage.snapshot();

/**
 * The worker's side: takes tasks, runs them concurrently on this event loop, and answers.
 *
 * All frames of one read are taken before the first of their tasks begins, so that a task whose
 * CANCEL or RECALL has arrived does not begin. The tasks begin in one turn; the answers of that
 * turn, including those of functions that only await settled promises, are sent with one write.
 * When the tasks of a turn took long enough, their answers are sent, and the event loop polls for
 * new frames before more tasks begin.
 */
class Runner implements LinkReceiver, ScopeOwner, ProgramOwner {
  readonly #host: RunnerHost;
  readonly #link: Link;
  readonly #outbound: Outbound;
  readonly #messages: Messages;
  readonly #asks = new Asks();
  /** The asynchronous tasks that run, by their place in the pool's table. */
  readonly #running: (TaskScope | undefined)[] = [];
  facts: WorkerFacts = { workerNumber: 0, pool: "", data: undefined, state: undefined };
  #program: WorkerProgram | undefined;
  #telemetry: TaskTelemetry | undefined;
  readonly #queue = new TaskQueue();
  readonly #progress: ProgressWriter;
  /**
   * Running tasks with a deadline or a signal: while there are any, the start of each task is
   * announced first.
   */
  #mayBeGivenUp = 0;
  #turnBeganMs = 0;
  #nowMs = 0;
  /** Whether tasks wait for the event loop to poll. */
  #isResuming = false;

  constructor(transport: PoolTransport, host: RunnerHost) {
    this.#host = host;
    this.#progress = host.progress;
    this.#link = new Link(transport, this);
    this.#messages = new Messages(this.#link);
    this.#outbound = new Outbound(this.#link, host.canClone, () => this.#queue.taken);
    // Before the next task begins.
    this.#progress.onBroken = () => {
      this.#link.send(ToPool.UNRECORDED, 0, 0);
      this.#outbound.flush();
    };
    process.once("exit", () => {
      this.#progress.exiting(this.#queue.taken);
      this.#outbound.flush();
    });
  }

  turnBegins(): void {
    this.#outbound.isInTurn = true;
    this.#turnBeganMs = monotonicMs();
  }

  turnEnds(): void {
    if (!this.#queue.isEmpty && !this.#isResuming) this.#beginTasks();
    else if (!this.#queue.isEmpty) this.#queue.keep();
    this.#outbound.isInTurn = false;
    this.#outbound.scheduleFlush(true);
  }

  /** Begins tasks until they took long enough; the rest begins when the event loop has polled. */
  #beginTasks(): void {
    this.#nowMs = this.#turnBeganMs;
    const endMs = this.#turnBeganMs + MAX_TURN_MS;
    while (!this.#queue.isEmpty && this.#nowMs <= endMs) this.#beginNext();
    this.#progress.idle(this.#queue.taken);
    if (this.#queue.isEmpty) return;
    this.#queue.keep();
    this.#isResuming = true;
    // An immediate that is set while frames are read runs before the next poll, a second one after
    // it.
    setImmediate(() => setImmediate(this.#resume));
  }

  readonly #resume = (): void => {
    this.#isResuming = false;
    this.turnBegins();
    this.turnEnds();
  };

  frame({ type, id, aux, flags, buffer, start, end }: Frame): void {
    switch (type) {
      case ToWorker.TASK:
        this.#enqueue(id, aux, buffer, start, end, flags, undefined, "");
        return;
      case ToWorker.CANCEL:
        this.#cancel(id, aux, () =>
          start === end ? undefined : decodeError(buffer, start, end, flags),
        );
        return;
      case ToWorker.RECALL:
        for (const task of this.#queue.dropAll()) this.#outbound.answer(ToPool.DROPPED, task, "");
        return;
      case ToWorker.ANSWER:
        this.#asks.answered(id, () => decodeBody(buffer, start, end, flags));
        return;
      case ToWorker.REFUSAL:
        this.#asks.refused(id, decodeError(buffer, start, end, flags));
        return;
      case ToWorker.CREDIT:
        this.#messages.addCredit(aux);
        return;
      case ToWorker.ITEM_CREDIT:
        this.#running[id]?.stream?.addCredit(aux);
        return;
      case ToWorker.PING:
        this.#link.send(ToPool.PONG, 0, 0);
        return;
      case ToWorker.SETUP:
        void this.#setUp(decodeBody(buffer, start, end, flags) as WorkerSetup);
        return;
      case ToWorker.LEAVE:
        void this.#leave();
        return;
    }
  }

  clone({ type, id, aux, value: carried, json }: ClonedFrame): void {
    if (type === ToWorker.TASK) this.#enqueue(id, aux, undefined, 0, 0, 0, carried, json);
    else if (type === ToWorker.SETUP) void this.#setUp(decodeCloned(carried) as WorkerSetup);
    else if (type === ToWorker.ANSWER) this.#asks.answered(id, () => decodeCloned(carried));
  }

  /** The pool is gone: no process receives results or errors any more. */
  closed(): void {
    this.#host.exit(1);
  }

  async #setUp(setup: WorkerSetup): Promise<void> {
    this.#link.nextNumber = setup.firstNumber;
    try {
      await this.#host.prepare(setup);
      const { workerNumber, pool, data } = setup;
      this.facts = { workerNumber, pool, data, state: undefined };
      this.#messages.addCredit(setup.credit);
      if (setup.telemetry) this.#telemetry = await joinTelemetry(setup);
      const program = await loadProgram(setup.module, this);
      this.facts.state = await program.setup({
        workerNumber,
        pool,
        data,
        post: (message) => this.post(message),
      });
      this.#program = program;
      this.#outbound.answer(ToPool.READY, 0, "");
      this.#outbound.flush();
      void this.#report(setup.statsMs);
    } catch (error) {
      this.#outbound.answer(ToPool.UNFIT, 0, bodyOfError(error));
      this.#outbound.flush();
      this.#host.exit(1);
    }
  }

  /** Reports the resource use of this worker to the pool periodically. */
  async #report(statsMs: number): Promise<void> {
    // Loaded only now: it would delay the report that the worker is ready.
    const { ResourceMeter } = await import("./resources.ts");
    const meter = new ResourceMeter(this.#host.canClone);
    setInterval(() => {
      this.#outbound.answer(ToPool.REPORT, 0, JSON.stringify(meter.read()));
    }, statsMs).unref();
  }

  async #leave(): Promise<void> {
    let code = 0;
    try {
      await this.#messages.sent();
      await this.#program?.teardown(this.facts.state);
    } catch (error) {
      code = 1;
      process.stderr.write(
        `newel: teardown of worker ${this.facts.workerNumber} of the pool ${this.facts.pool} failed: ${
          error instanceof Error ? (error.stack ?? error.message) : messageOf(error)
        }\n`,
      );
    }
    this.#outbound.flush();
    this.#host.exit(code);
  }

  #enqueue(
    id: number,
    aux: number,
    buffer: Buffer | undefined,
    start: number,
    end: number,
    flags: number,
    carried: Carried | undefined,
    json: string,
  ): void {
    this.#queue.push({
      id,
      kind: aux,
      buffer,
      start,
      end,
      flags,
      carried,
      json,
      number: 0,
      isDropped: false,
    });
  }

  /** The caller has cancelled the task: a task that has not begun does not begin. */
  #cancel(id: number, limitMs: number, reason: () => Error | undefined): void {
    const scope = this.#running[id];
    if (scope !== undefined) scope.cancel(limitMs, reason());
    else if (this.#queue.drop(id)) this.#outbound.answer(ToPool.DROPPED, id, "");
  }

  #beginNext(): void {
    const { taken } = this.#queue;
    const task = this.#queue.shift();
    if (task === undefined) return;
    const isLimited = (task.kind & TaskFlag.MAY_BE_GIVEN_UP) !== 0 || this.#mayBeGivenUp > 0;
    const mayBegin = this.#progress.starting(taken, isLimited, this.#nowMs);
    if (mayBegin || task.buffer === undefined) this.#begin(task);
    else this.#outbound.answer(ToPool.DROPPED, task.id, "");
    this.#nowMs = monotonicMs();
  }

  #begin({ id, kind, buffer, start, end, flags, carried, json }: QueuedTask): void {
    let value: unknown;
    try {
      value = buffer === undefined ? decodeCloned(carried) : decodeBody(buffer, start, end, flags);
    } catch (error) {
      this.#outbound.answer(ToPool.FAILED, id, bodyOfError(error));
      return;
    }
    const hasContext = this.#telemetry !== undefined && buffer !== undefined;
    this.#run(id, kind, value, hasContext ? readContext(buffer, start, end, flags) : json);
  }

  #run(id: number, kind: number, value: unknown, context: string): void {
    const scope = new TaskScope(this, id, kind);
    try {
      const result = inCleanContext(this.#call, value, scope, context);
      if (isThenable(result)) {
        this.#running[id] = scope;
        if (scope.mayBeGivenUp) this.#mayBeGivenUp += 1;
        scope.isRunning = true;
        result.then(
          (settled) => this.#settle(scope, settled),
          (error: unknown) => this.#fail(scope, error),
        );
      } else this.#settle(scope, result);
    } catch (error) {
      this.#fail(scope, error);
    }
  }

  readonly #call = (value: unknown, scope: TaskScope, context: string): unknown =>
    this.#telemetry === undefined || context === ""
      ? this.#invoke(value, scope)
      : this.#telemetry(context, () => this.#invoke(value, scope));

  #invoke(value: unknown, scope: TaskScope): unknown {
    const result = runWithin(scope, () =>
      scope.isNamed ? this.#program?.call(value, scope) : this.#program?.task(value, scope),
    );
    return scope.isStream ? this.#stream(scope, result) : result;
  }

  /** Sends the items of a task; rejects with the reason of a reader that has given it up. */
  async #stream(scope: TaskScope, result: unknown): Promise<undefined> {
    const inContext = scope.inContext ?? AsyncLocalStorage.snapshot();
    const items = isThenable(result) ? await result : result;
    const within = <Result>(run: () => Result): Result => inContext(() => runWithin(scope, run));
    scope.stream = new ItemStream(this.#outbound, scope.id, items, within);
    if (scope.isGivenUp) scope.stream.stop();
    await scope.stream.pump();
    if (scope.isGivenUp) throw scope.signal.reason;
  }

  /** The task is done although its function continues: `taskDone()`. */
  finish(scope: TaskScope): void {
    this.#settle(scope, undefined);
  }

  #settle(scope: TaskScope, result: unknown): void {
    if (scope.isAnswered) return;
    if (scope.waitingMessages > 0) {
      scope.onMessagesSent = () => this.#settle(scope, result);
      return;
    }
    let body: Body;
    try {
      body = this.#outbound.encode(result);
    } catch (error) {
      this.#fail(scope, error);
      return;
    }
    this.#end(scope, ToPool.DONE, body);
  }

  #fail(scope: TaskScope, error: unknown): void {
    if (!scope.isAnswered) this.#end(scope, ToPool.FAILED, bodyOfError(error));
  }

  #end(scope: TaskScope, type: number, body: Body): void {
    scope.isAnswered = true;
    this.#running[scope.id] = undefined;
    if (scope.mayBeGivenUp && scope.isRunning) this.#mayBeGivenUp -= 1;
    this.#outbound.answer(type, scope.id, body);
  }

  transfer<Value>(value: Value, memory: readonly Transferable[]): Value {
    return this.#outbound.transfer(value, memory);
  }

  async post(message: unknown, scope?: TaskScope): Promise<void> {
    const sent = this.#messages.send(this.#outbound.encode(message), scope);
    this.#outbound.scheduleFlush(false);
    await sent;
  }

  async ask(question: unknown, scope: TaskScope): Promise<unknown> {
    const body = this.#outbound.encode(question);
    const { number, answer } = this.#asks.ask(scope);
    try {
      this.#link.send(ToPool.ASK, scope.id, number, body);
    } catch (error) {
      this.#asks.refused(number, notCloneable(error));
    }
    this.#outbound.scheduleFlush(false);
    return answer;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}
