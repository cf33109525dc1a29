import { messageOf, newelError } from "../base/errors.ts";
import type { Frame } from "../wire/frames.ts";
import { answerTo } from "./answers.ts";
import { bodyOfError, decodeBody, decodeError, encodeBody, kept, notCloneable } from "./body.ts";
import { reasonBody } from "./cancel-reason.ts";
import type { Guard } from "./guard.ts";
import type { Histogram } from "./histogram.ts";
import { launch, type Launched, type WorkerEnd } from "./launch.ts";
import { Link, type ClonedFrame, type LinkReceiver } from "./link.ts";
import type { Settings } from "./options.ts";
import { ToPool, ToWorker, type ResourceReport, type WorkerSetup } from "./protocol.ts";
import { Allowance } from "./allowance.ts";
import type { Task } from "./task.ts";

/** How long the end of a worker's connection may come after its own. */
const LAST_BYTES_MS = 1_000;

/** `starting`: no task yet. `ready`: takes tasks. `leaving`: finishes those it has. `ended`: is gone. */
export type WorkerState = "starting" | "ready" | "leaving" | "ended";

/** What the pool hears of a worker. */
export interface WorkerEvents {
  ready(worker: RunningWorker): void;
  /** It could not start; it ends by itself. */
  unfit(worker: RunningWorker, error: unknown): void;
  done(task: Task, result: unknown): void;
  failed(task: Task, error: unknown): void;
  message(worker: RunningWorker, message: unknown): void;
  report(worker: RunningWorker): void;
  /** It has a task whose memory is limited. */
  limited(): void;
  /** A task of it is being ended, and what that started ends with the worker: it takes no others. */
  spent(worker: RunningWorker): void;
  /** After all that came at once. */
  turn(worker: RunningWorker): void;
  /** Its last bytes were read; the tasks it had, in the order they were sent. */
  ended(worker: RunningWorker, how: string, tasks: readonly Task[]): void;
}

/** The pool's side of one worker process or thread, from its start to its end. */
export class RunningWorker implements LinkReceiver {
  readonly number: number;
  readonly allowance: Allowance;
  readonly #events: WorkerEvents;
  readonly #launched: Launched;
  readonly #link: Link;
  readonly #runTimes: Histogram;
  readonly #killMs: number;
  readonly #canClone: boolean;
  readonly #tasks: (Task | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #startedMs: number = performance.now();
  state: WorkerState = "starting";
  inFlight = 0;
  tasksDone = 0;
  /** When the last task ended, or it got ready. */
  idleSinceMs: number = this.#startedMs;
  report: ResourceReport | undefined;
  #nowMs: number = this.#startedMs;
  #killedWhy: string | undefined;
  /** It was killed because of one task: the others that it has are lost through no doing of theirs. */
  wasKilledForTask = false;
  #isSpent = false;
  #isDismissed = false;
  #end: WorkerEnd | undefined;
  #isClosed = false;
  #startTimer: NodeJS.Timeout | undefined;
  /** Messages that were taken and not yet given back as credit. */
  #owedCredit = 0;
  readonly #credit: number;

  constructor(
    settings: Settings,
    number: number,
    credit: number,
    runTimes: Histogram,
    guard: Guard | undefined,
    events: WorkerEvents,
  ) {
    this.number = number;
    this.#events = events;
    this.#runTimes = runTimes;
    this.#credit = credit;
    this.allowance = new Allowance(settings.concurrency);
    this.#killMs = settings.killMs;
    this.#canClone = settings.kind === "thread";
    this.#launched = launch(settings, guard);
    this.#launched.onEnd((end) => this.#ended(end));
    this.#link = new Link(this.#launched.transport, this);
    const setup: WorkerSetup = {
      module: settings.worker.href,
      pool: settings.name,
      workerNumber: number,
      title: `${settings.title} ${number}`,
      credit,
      statsMs: settings.statsMs,
      telemetry: settings.telemetry,
      data: settings.data,
    };
    this.#link.send(ToWorker.SETUP, 0, 0, encodeBody(setup, this.#canClone));
    this.#startTimer = setTimeout(
      () => this.kill(`it was not ready within ${settings.startMs} ms`),
      settings.startMs,
    ).unref();
  }

  /** Whether it ever took tasks. */
  wasReady = false;

  /** The tasks it has. */
  get tasks(): readonly Task[] {
    return this.#tasks.filter((task) => task !== undefined);
  }

  get pid(): number {
    return this.#launched.pid;
  }

  get ageMs(): number {
    return performance.now() - this.#startedMs;
  }

  /** Whether one more task may be sent at this moment. */
  hasRoom(nowMs: number): boolean {
    return this.state === "ready" && this.allowance.hasRoom(this.inFlight, nowMs);
  }

  /** Sends a task; it is answered, or handed back by `ended`. */
  send(task: Task, nowMs: number): void {
    const place = this.#free.pop() ?? this.#tasks.length;
    this.#tasks[place] = task;
    this.inFlight += 1;
    task.worker = this;
    task.place = place;
    task.sentMs = nowMs;
    task.sentNumber = this.allowance.send();
    try {
      // What may have to be sent again is not handed over.
      const body = task.retriesLeft === 0 ? task.body : kept(task.body);
      this.#link.send(ToWorker.TASK, place, 0, body);
    } catch (error) {
      this.#release(place);
      this.allowance.unsend();
      this.#events.failed(task, notCloneable(error));
      return;
    }
    // Kept only for another try.
    if (task.retriesLeft === 0 && task.stickyKey === undefined) task.body = "";
    if (task.terms?.memoryBytes !== undefined) this.#events.limited();
  }

  #tellCancelled(task: Task, limitMs: number, reason: unknown): void {
    const aux = Math.min(limitMs, 0xffff_ffff);
    this.#link.send(ToWorker.CANCEL, task.place, aux, reasonBody(reason));
  }

  /** Nobody waits for the task any more; when the worker stands still as well, it is killed. */
  cancel(task: Task, limitMs: number, reason: unknown): void {
    this.#tellCancelled(task, limitMs, reason);
    this.#link.send(ToWorker.PING, 0, 0);
    const killMs = this.#killMs;
    const askedMs = performance.now();
    setTimeout(() => {
      if (this.#tasks[task.place] !== task || this.allowance.lastHeardMs > askedMs) return;
      const { blocker } = this;
      if (blocker !== undefined && blocker !== task && !blocker.isSettled) return;
      this.#killForTask(
        `its event loop stood still ${killMs} ms after the time of a task was over`,
      );
    }, killMs).unref();
  }

  /**
   * Ends a task, step by step: it is told, then what it started, then the whole group is killed. The
   * worker leaves afterwards, and with it what the task left behind.
   */
  end(task: Task, limitMs: number, reason: unknown, graceMs: number): void {
    this.#tellCancelled(task, limitMs, reason);
    this.#isSpent = true;
    this.leave();
    this.#events.spent(this);
    const killMs = this.#killMs;
    const isThere = (): boolean => this.#tasks[task.place] === task;
    setTimeout(() => {
      if (!isThere()) return;
      this.#launched.terminateGroup();
      setTimeout(() => {
        if (isThere())
          this.#killForTask(
            `it was killed: a task had not ended ${graceMs + killMs} ms after it was told to`,
          );
      }, killMs).unref();
    }, graceMs).unref();
  }

  get hasMemoryLimit(): boolean {
    return this.#tasks.some((task) => task?.terms?.memoryBytes !== undefined);
  }

  /** Its group has so much memory: too much for any of its tasks ends it. */
  checkMemory(usedBytes: number): void {
    const worker = this.number;
    let isTooMuch = false;
    for (const task of this.tasks) {
      const limitBytes = task.terms?.memoryBytes ?? Number.POSITIVE_INFINITY;
      if (usedBytes <= limitBytes) continue;
      isTooMuch = true;
      task.fate ??= () => newelError("NEWEL_E_POOL_MEMORY", { worker, usedBytes, limitBytes });
    }
    if (isTooMuch)
      this.#killForTask(`it was killed: it had ${usedBytes} bytes of memory, too much for a task`);
  }

  #killForTask(why: string): void {
    this.wasKilledForTask = true;
    this.kill(why);
  }

  /** The oldest task it has not said to have begun: what it stands still in, if it does. */
  get blocker(): Task | undefined {
    let oldest: Task | undefined;
    for (const task of this.#tasks)
      if (task !== undefined && this.allowance.isUntold(task.sentNumber))
        if (oldest === undefined || task.sentNumber < oldest.sentNumber) oldest = task;
    return oldest;
  }

  /** One of its messages was dealt with. */
  giveCredit(): void {
    this.#owedCredit += 1;
    if (this.#owedCredit * 2 < this.#credit || this.state === "ended") return;
    this.#link.send(ToWorker.CREDIT, 0, this.#owedCredit);
    this.#owedCredit = 0;
  }

  /** Takes no more tasks; exits when those it has are done. */
  leave(): void {
    if (this.state === "ended") return;
    this.state = "leaving";
    if (this.inFlight === 0) this.#dismiss();
  }

  #dismiss(): void {
    if (this.#isDismissed) return;
    this.#isDismissed = true;
    this.#link.send(ToWorker.LEAVE, 0, 0);
    const ms = this.#killMs;
    if (this.#isSpent)
      setTimeout(() => this.kill(`it did not end within ${ms} ms after its last task`), ms).unref();
  }

  kill(why: string): void {
    this.#killedWhy ??= why;
    this.#launched.kill();
  }

  turnBegins(): void {
    this.#nowMs = performance.now();
    this.allowance.heard(this.#nowMs);
  }

  turnEnds(): void {
    this.#events.turn(this);
  }

  frame({ type, id, aux, flags, buffer, start, end }: Frame): void {
    switch (type) {
      case ToPool.DONE:
        this.#done(id, buffer, start, end, flags);
        return;
      case ToPool.FAILED:
        this.#answered(id, (task) =>
          this.#events.failed(task, decodeError(buffer, start, end, flags)),
        );
        return;
      case ToPool.TAKEN:
        this.allowance.told(id, aux);
        return;
      case ToPool.MESSAGE:
        this.#events.message(this, decodeBody(buffer, start, end, flags));
        return;
      case ToPool.ASK:
        void this.#answer(id, aux, () => decodeBody(buffer, start, end, flags));
        return;
      case ToPool.REPORT:
        this.report = decodeBody(buffer, start, end, flags) as ResourceReport;
        this.#events.report(this);
        return;
      case ToPool.READY:
        clearTimeout(this.#startTimer);
        this.idleSinceMs = this.#nowMs;
        this.#events.ready(this);
        return;
      case ToPool.UNFIT:
        this.#events.unfit(this, decodeError(buffer, start, end, flags));
        return;
    }
  }

  clone({ type, id, aux, value }: ClonedFrame): void {
    if (type === ToPool.MESSAGE) this.#events.message(this, value);
    else if (type === ToPool.ASK) void this.#answer(id, aux, () => value);
    else this.#answered(id, (task) => this.#events.done(task, value));
  }

  #done(place: number, buffer: Buffer, start: number, end: number, flags: number): void {
    const task = this.#release(place);
    if (task === undefined || task.isSettled) return;
    let result: unknown;
    try {
      result = decodeBody(buffer, start, end, flags);
    } catch (error) {
      this.#events.failed(task, error);
      return;
    }
    this.#events.done(task, result);
  }

  async #answer(place: number, question: number, read: () => unknown): Promise<void> {
    const { type, body } = await answerTo(this.#tasks[place], read, this.number, this.#canClone);
    try {
      this.#link.send(type, question, 0, body);
    } catch (error) {
      this.#link.send(ToWorker.REFUSAL, question, 0, bodyOfError(notCloneable(error)));
    }
  }

  #answered(place: number, tell: (task: Task) => void): void {
    const task = this.#release(place);
    if (task !== undefined && !task.isSettled) tell(task);
  }

  #release(place: number): Task | undefined {
    const task = this.#tasks[place];
    if (task === undefined) return undefined;
    this.#tasks[place] = undefined;
    this.#free.push(place);
    this.inFlight -= 1;
    this.tasksDone += 1;
    this.idleSinceMs = this.#nowMs;
    this.#runTimes.record(this.#nowMs - task.sentMs);
    if (this.inFlight === 0 && this.state === "leaving") this.#dismiss();
    return task;
  }

  closed(): void {
    this.#isClosed = true;
    if (this.#end === undefined)
      setTimeout(() => this.kill("it closed its connection to the pool"), LAST_BYTES_MS).unref();
    this.#settleEnd();
  }

  /** What it wrote before its end may still be on its way; its answers count. */
  #ended(end: WorkerEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    clearTimeout(this.#startTimer);
    if (!this.#isClosed) setTimeout(() => this.#link.abort(), LAST_BYTES_MS).unref();
    // A thread, or a process that never was, has no connection that could end.
    if (end.error !== undefined) this.#isClosed = true;
    this.#settleEnd();
  }

  #settleEnd(): void {
    if (!this.#isClosed || this.#end === undefined || this.state === "ended") return;
    this.state = "ended";
    const tasks = this.tasks.toSorted((a, b) => a.sentNumber - b.sentNumber);
    this.#tasks.length = 0;
    this.inFlight = 0;
    this.#events.ended(this, this.#killedWhy ?? describeEnd(this.#end), tasks);
  }
}

function describeEnd({ code, signal, error }: WorkerEnd): string {
  if (error !== undefined)
    return "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY"
      ? "it ran out of memory"
      : messageOf(error);
  if (signal === "SIGABRT" || code === 134)
    return "it aborted (SIGABRT), most likely out of memory";
  if (signal !== null) return `it was killed by ${signal}`;
  return `it exited with code ${code}`;
}
