import { messageOf } from "../../base/errors.ts";
import type { Frame } from "../../wire/frames.ts";
import {
  bodyOfError,
  CloneBody,
  decodeBody,
  decodeError,
  encodeBody,
  notCloneable,
  encodeTransferred,
  readContext,
  type Body,
} from "../body.ts";
import { Link, type ClonedFrame, type LinkReceiver, type PoolTransport } from "../link.ts";
import { ToPool, ToWorker, type WorkerSetup } from "../protocol.ts";
import { Asks } from "./asks.ts";
import { loadProgram, type ProgramOwner, type WorkerProgram } from "./load.ts";
import { Messages } from "./messages.ts";
import { TaskScope, type ScopeOwner, type WorkerFacts } from "./scope.ts";
import { joinTelemetry, type TaskTelemetry } from "./telemetry.ts";

/** After so much work in one turn the answers leave before more tasks are begun. */
const MAX_TURN_MS = 1;

/** How the thread or process of a worker differs from the other kind. */
export interface RunnerHost {
  readonly canClone: boolean;
  /** Called before the module is loaded. */
  prepare(setup: WorkerSetup): void | Promise<void>;
  exit(code: number): void;
}

/** Makes this process or thread the worker at the other end of the transport. */
export function startRunner(transport: PoolTransport, host: RunnerHost): object {
  return new Runner(transport, host);
}

/**
 * The worker's side: takes tasks, runs them all at once on this event loop, and answers. What comes
 * in with one read is begun in one turn; the answers of that turn, also of functions that only await
 * what is there already, leave with one write.
 */
class Runner implements LinkReceiver, ScopeOwner, ProgramOwner {
  readonly #host: RunnerHost;
  readonly #link: Link;
  readonly #messages: Messages;
  readonly #asks = new Asks();
  /** The asynchronous tasks that run, by their place in the pool's table. */
  readonly #running: (TaskScope | undefined)[] = [];
  readonly #transfers = new WeakMap<object, readonly ArrayBuffer[]>();
  facts: WorkerFacts = { workerNumber: 0, pool: "", data: undefined, state: undefined };
  #program: WorkerProgram | undefined;
  #telemetry: TaskTelemetry | undefined;
  #begun = 0;
  #begunTold = 0;
  #busyTold = 0;
  #turnBeganMs = 0;
  /** This turn took long enough. */
  #isTired = false;
  #isInTurn = false;
  #isFlushScheduled = false;

  constructor(transport: PoolTransport, host: RunnerHost) {
    this.#host = host;
    this.#link = new Link(transport, this);
    this.#messages = new Messages(this.#link);
    // From here on this class alone says when the outbox sends.
    this.#link.outbox.beginTurn();
    process.once("exit", () => this.#flush());
  }

  turnBegins(): void {
    this.#isInTurn = true;
    this.#isTired = false;
    this.#turnBeganMs = performance.now();
  }

  turnEnds(): void {
    this.#isInTurn = false;
    this.#scheduleFlush(true);
  }

  frame({ type, id, aux, flags, buffer, start, end }: Frame): void {
    switch (type) {
      case ToWorker.TASK:
        this.#begin(id, buffer, start, end, flags);
        return;
      case ToWorker.CANCEL:
        this.#running[id]?.cancel(
          aux,
          start === end ? undefined : decodeError(buffer, start, end, flags),
        );
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

  clone({ type, id, value, json }: ClonedFrame): void {
    if (type === ToWorker.SETUP) void this.#setUp(value as WorkerSetup);
    else if (type === ToWorker.TASK) this.#run(id, value, json);
    else if (type === ToWorker.ANSWER) this.#asks.answered(id, () => value);
  }

  /** The pool is gone, and with it whoever would hear of anything here. */
  closed(): void {
    this.#host.exit(1);
  }

  async #setUp(setup: WorkerSetup): Promise<void> {
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
      this.#answer(ToPool.READY, 0, "");
      void this.#report(setup.statsMs);
    } catch (error) {
      this.#answer(ToPool.UNFIT, 0, bodyOfError(error));
      this.#flush();
      this.#host.exit(1);
    }
  }

  /** Tells the pool from time to time what this worker takes of the machine. */
  async #report(statsMs: number): Promise<void> {
    // Not before: loading it would keep the first task waiting.
    const { ResourceMeter } = await import("./resources.ts");
    const meter = new ResourceMeter();
    setInterval(() => {
      this.#answer(ToPool.REPORT, 0, JSON.stringify(meter.read()));
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
    this.#flush();
    this.#host.exit(code);
  }

  #begin(id: number, buffer: Buffer, start: number, end: number, flags: number): void {
    if (this.#isTired) {
      this.#beginLater(id, Buffer.from(buffer.subarray(start, end)), flags);
      return;
    }
    let value: unknown;
    try {
      value = decodeBody(buffer, start, end, flags);
    } catch (error) {
      this.#begun += 1;
      this.#answer(ToPool.FAILED, id, bodyOfError(error));
      return;
    }
    const context = this.#telemetry === undefined ? "" : readContext(buffer, start, end, flags);
    this.#run(id, value, context);
  }

  #run(id: number, value: unknown, context: string): void {
    const scope = new TaskScope(this, id);
    try {
      const result =
        this.#telemetry === undefined || context === ""
          ? this.#program?.task(value, scope)
          : this.#telemetry(context, () => this.#program?.task(value, scope));
      this.#begun += 1;
      if (isThenable(result)) {
        this.#running[id] = scope;
        result.then(
          (settled) => this.#settle(scope, settled),
          (error: unknown) => this.#fail(scope, error),
        );
      } else this.#settle(scope, result);
    } catch (error) {
      this.#begun += 1;
      this.#fail(scope, error);
    }
    if (this.#isInTurn) this.#isTired = performance.now() - this.#turnBeganMs > MAX_TURN_MS;
  }

  /** This task and those that came with it are begun when the event loop has gone round. */
  #beginLater(id: number, body: Buffer, flags: number): void {
    this.#link.pause();
    setImmediate(() => this.#link.resume(() => this.#begin(id, body, 0, body.length, flags)));
  }

  /** The task is done though its function goes on: `taskDone()`. */
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
      body = this.#encode(result);
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
    this.#answer(type, scope.id, body);
  }

  #encode(value: unknown): Body {
    const memory =
      typeof value === "object" && value !== null ? this.#transfers.get(value) : undefined;
    return memory === undefined
      ? encodeBody(value, this.#host.canClone)
      : encodeTransferred(value, memory, this.#host.canClone);
  }

  /** Remembers what of a result is to be handed over. */
  transfer<Value>(value: Value, memory: readonly ArrayBuffer[]): Value {
    if (typeof value === "object" && value !== null) this.#transfers.set(value, memory);
    return value;
  }

  async post(message: unknown, scope?: TaskScope): Promise<void> {
    const sent = this.#messages.send(this.#encode(message), scope);
    this.#scheduleFlush(false);
    await sent;
  }

  async ask(question: unknown, scope: TaskScope): Promise<unknown> {
    const body = this.#encode(question);
    const { number, answer } = this.#asks.ask(scope);
    try {
      this.#link.send(ToPool.ASK, scope.id, number, body);
    } catch (error) {
      this.#asks.refused(number, notCloneable(error));
    }
    this.#scheduleFlush(false);
    return answer;
  }

  #answer(type: number, id: number, body: Body): void {
    this.#link.send(type, id, 0, body);
    if (body instanceof CloneBody) return;
    this.#scheduleFlush(false);
  }

  /**
   * After a turn: when all its microtasks are done. In between (a timer, a socket of the task's own):
   * when the event loop has gone round once, so that what else is due comes along.
   */
  #scheduleFlush(isTurn: boolean): void {
    if (this.#isInTurn || this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    if (isTurn) queueMicrotask(() => process.nextTick(this.#scheduledFlush));
    else setImmediate(this.#scheduledFlush);
  }

  readonly #scheduledFlush = (): void => {
    this.#isFlushScheduled = false;
    this.#flush();
  };

  #flush(): void {
    if (this.#begun !== this.#begunTold) {
      const busy = performance.eventLoopUtilization().active;
      const busyUs = Math.min(0xffff_ffff, Math.round((busy - this.#busyTold) * 1_000));
      this.#link.send(ToPool.TAKEN, this.#begun >>> 0, busyUs);
      this.#begunTold = this.#begun;
      this.#busyTold = busy;
    }
    this.#link.outbox.endTurn();
    this.#link.outbox.beginTurn();
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
