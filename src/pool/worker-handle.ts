import { monotonicMs } from "../base/globals.ts";
import { startTimer, type Timer } from "../base/timers.ts";
import type { Frame } from "../wire/frames.ts";
import {
  carriedBytes,
  CloneBody,
  decodeBody,
  decodeCloned,
  decodeError,
  discardCarried,
  encodeBody,
  kept,
} from "./body.ts";
import { reasonBody } from "./cancel-reason.ts";
import { Departure, type Departing } from "./departure.ts";
import type { Guard } from "./guard.ts";
import type { TaskTimes } from "./histogram.ts";
import { launch, type Launched } from "./launch.ts";
import { Link, type ClonedFrame, type LinkReceiver } from "./link.ts";
import { Questions } from "./questions.ts";
import { MessageCredit } from "./message-credit.ts";
import { Pings } from "./pings.ts";
import { Recall } from "./recall.ts";
import type { Settings } from "./settings.ts";
import { TaskFlag, ToPool, ToWorker, type ResourceReport } from "./protocol.ts";
import { InFlightWindow } from "./in-flight-window.ts";
import { leftTasks, type StallFacts } from "./stall.ts";
import { StallWatch } from "./stall-watch.ts";
import { TaskTable } from "./task-table.ts";
import type { Task } from "./task.ts";
import { notCloneable } from "./transferable.ts";
import { setupOf } from "./worker-setup.ts";
import type { WorkerEvents } from "./worker-events.ts";

/**
 * `starting`: no task yet. `ready`: accepts tasks. `leaving`: finishes its tasks. `ended`: is gone.
 */
export type WorkerState = "starting" | "ready" | "leaving" | "ended";

/** The pool's side of one worker process or thread, from its start to its end. */
export class WorkerHandle implements LinkReceiver, Departing {
  readonly number: number;
  readonly window: InFlightWindow;
  readonly #events: WorkerEvents<WorkerHandle>;
  readonly #launched: Launched;
  readonly departure: Departure;
  readonly #link: Link;
  readonly #times: TaskTimes;
  readonly #killMs: number;
  readonly #stallMs: number;
  readonly #concurrency: number;
  readonly #questions: Questions;
  readonly pings: Pings = new Pings(() => this.#link.send(ToWorker.PING, 0, 0));
  readonly credit: MessageCredit;
  readonly #tasks = new TaskTable();
  /** Tasks that were returned in the turn being read. */
  #returned: Task[] = [];
  readonly #stall: StallWatch;
  readonly #startedMs: number = monotonicMs();
  state: WorkerState = "starting";
  tasksDone = 0;
  /** The time at which the last task ended, or the worker became ready. */
  idleSinceMs: number = this.#startedMs;
  report: ResourceReport | undefined;
  #nowMs: number = this.#startedMs;
  readonly recall: Recall;
  /** Given-up tasks that it has not ended. */
  givenUp = 0;
  #startTimer: Timer | undefined;
  constructor(
    settings: Settings,
    number: number,
    credit: number,
    times: TaskTimes,
    guard: Guard | undefined,
    events: WorkerEvents<WorkerHandle>,
  ) {
    this.number = number;
    this.#events = events;
    this.#times = times;
    this.credit = new MessageCredit(credit, (owed) => {
      if (this.state !== "ended") this.#link.send(ToWorker.CREDIT, 0, owed);
    });
    this.window = new InFlightWindow(settings.concurrency);
    this.#killMs = settings.killMs;
    this.#stallMs = settings.stallMs;
    this.#concurrency = settings.concurrency;
    this.#stall = new StallWatch({
      hasGivenUp: () => this.givenUp > 0 && this.state !== "ended",
      facts: () => this.stallFacts(),
      ping: () => this.pings.ping(),
      kill: (blocker, isKnown) => this.departure.killStalled(blocker, isKnown),
      retire: () => this.retire(),
    });
    this.#launched = launch(settings, guard);
    const { output, pid } = this.#launched;
    if (output !== undefined) events.output(output, number, pid);
    this.departure = new Departure(this, this.#launched, this.#killMs);
    this.#launched.onEnd((end) => {
      this.#startTimer?.stop();
      this.departure.ended(end);
    });
    const setup = setupOf(settings, number, credit);
    this.#link = new Link(this.#launched.transport, this, setup.firstNumber);
    const { progress } = this.#launched;
    this.recall = new Recall(progress, this.window, this.#tasks, () =>
      this.#link.send(ToWorker.RECALL, 0, 0),
    );
    const canClone = settings.kind === "thread";
    this.#questions = new Questions(this.#link, number, canClone);
    this.#link.send(ToWorker.SETUP, 0, 0, encodeBody(setup, canClone));
    this.#startTimer = startTimer(settings.startMs, () =>
      this.departure.kill(`it was not ready within ${settings.startMs} ms`),
    );
  }

  /** Whether it ever accepted tasks. */
  wasReady = false;

  /** The tasks that it has. */
  get tasks(): readonly Task[] {
    return this.#tasks.all();
  }

  get inFlight(): number {
    return this.#tasks.size;
  }

  get pid(): number {
    return this.#launched.pid;
  }

  get ageMs(): number {
    return monotonicMs() - this.#startedMs;
  }

  /** Whether one more task may be sent at this moment. */
  hasRoom(nowMs: number): boolean {
    if (this.state !== "ready" || this.#tasks.takenBack > 0) return false;
    return this.window.hasRoom(this.inFlight, nowMs);
  }

  /** Sends a task; it is answered, or returned by `ended`. */
  send(task: Task, nowMs: number): void {
    const place = this.#tasks.add(task);
    task.worker = this;
    task.place = place;
    task.sentMs = nowMs;
    task.sentNumber = this.window.send(nowMs);
    const mayBeGivenUp = task.deadlines !== undefined || task.signalTasks !== undefined;
    const kind = mayBeGivenUp ? task.kind | TaskFlag.MAY_BE_GIVEN_UP : task.kind;
    try {
      // Memory of a task that may have to be sent again is not transferred.
      const body = task.retriesLeft === 0 ? task.body : kept(task.body);
      this.#link.send(ToWorker.TASK, place, kind, body);
    } catch (error) {
      this.#release(place);
      this.window.unsend();
      this.#events.failed(task, notCloneable(error));
      return;
    }
    this.#tasks.sent(place);
    task.isHandedOver =
      task.body instanceof CloneBody && task.retriesLeft === 0 && task.body.transfer.length > 0;
    if (task.limits?.memoryBytes !== undefined) this.#events.limited();
  }

  #tellCancelled({ place }: Task, limitMs: number, reason: unknown): void {
    this.#link.send(ToWorker.CANCEL, place, Math.min(limitMs, 0xffff_ffff), reasonBody(reason));
  }

  /** The caller of the task was notified that it is cancelled or late. */
  cancel(task: Task, limitMs: number, reason: unknown): void {
    this.#tellCancelled(task, limitMs, reason);
    task.givenUpMs = monotonicMs();
    this.givenUp += 1;
    this.pings.ping();
    this.#stall.start();
    if (this.state === "leaving") this.departure.look();
  }

  /** The reader of a task's items has read some. */
  giveItemCredit(task: Task, credit: number): void {
    if (this.has(task)) this.#link.send(ToWorker.ITEM_CREDIT, task.place, credit);
  }

  /** Takes tasks back that it has not begun; it returns others when its event loop runs. */
  takeBack(): void {
    if (this.state === "ended") return;
    const tasks = this.recall.take();
    if (tasks.length > 0) this.#events.returned(tasks);
  }

  /** The known facts about its tasks and its last message. */
  stallFacts(): StallFacts<Task> {
    const { told } = this.window;
    return {
      tasks: this.#tasks.inOrder(),
      told,
      progress: this.#launched.progress.read(told),
      heardMs: this.window.lastHeardMs,
      pingedMs: this.pings.sinceMs,
      concurrency: this.#concurrency,
      killMs: this.#killMs,
      stallMs: this.#stallMs,
    };
  }

  /**
   * Accepts no more tasks; another worker takes its place at once, and it leaves when its tasks are
   * done.
   */
  retire(): void {
    if (this.state === "ready") this.departure.retire();
  }

  /** Another worker takes its place. */
  replace(): void {
    this.#events.retired(this);
  }

  /**
   * Ends a task in steps: the task is notified, then the processes that it started get SIGTERM, then
   * the whole group is killed. The worker leaves afterwards, with the processes that the task left.
   */
  end(task: Task, limitMs: number, reason: unknown, graceMs: number): void {
    this.#tellCancelled(task, limitMs, reason);
    this.departure.end(task, graceMs);
  }

  has(task: Task): boolean {
    return this.#tasks.at(task.place) === task;
  }

  get hasMemoryLimit(): boolean {
    return this.tasks.some((task) => task.limits?.memoryBytes !== undefined);
  }

  /** Accepts no more tasks; exits when its tasks are done. */
  leave(): void {
    if (this.state === "ended") return;
    this.state = "leaving";
    this.departure.look();
  }

  /** Does not wait for the rest of its data. */
  abort(): void {
    this.#link.abort();
  }

  /** No more tasks come: it tears down and exits. */
  dismiss(): void {
    this.#link.send(ToWorker.LEAVE, 0, 0);
  }

  turnBegins(): void {
    this.#nowMs = monotonicMs();
    this.window.heard(this.#nowMs);
    this.pings.answered();
    this.recall.isSent = false;
  }

  turnEnds(): void {
    if (this.#returned.length > 0) this.#events.returned(this.#returned.splice(0));
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
        this.#told(id, aux);
        return;
      case ToPool.UNRECORDED:
        this.#launched.progress.close();
        return;
      case ToPool.DROPPED:
        this.#dropped(id);
        return;
      case ToPool.MESSAGE:
        this.#events.message(this, decodeBody(buffer, start, end, flags));
        return;
      case ToPool.ASK:
        void this.#questions.answer(this.#tasks.at(id), aux, () =>
          decodeBody(buffer, start, end, flags),
        );
        return;
      case ToPool.ITEM:
        this.#item(id, end - start, () => decodeBody(buffer, start, end, flags));
        return;
      case ToPool.REPORT:
        this.report = decodeBody(buffer, start, end, flags) as ResourceReport;
        this.#events.report(this);
        return;
      case ToPool.READY:
        this.#startTimer?.stop();
        this.idleSinceMs = this.#nowMs;
        this.#events.ready(this);
        return;
      case ToPool.UNFIT:
        this.#events.unfit(this, decodeError(buffer, start, end, flags));
        return;
    }
  }

  clone({ type, id, aux, value: carried }: ClonedFrame): void {
    const task = this.#tasks.at(id);
    if (type === ToPool.MESSAGE) this.#events.message(this, decodeCloned(carried));
    else if (type === ToPool.ASK)
      void this.#questions.answer(task, aux, () => decodeCloned(carried));
    else if (task === undefined || task.isSettled) {
      discardCarried(carried);
      if (type === ToPool.DONE) this.#release(id);
    } else if (type === ToPool.ITEM)
      this.#item(id, carriedBytes(carried), () => decodeCloned(carried));
    else this.#answered(id, (answered) => this.#events.done(answered, decodeCloned(carried)));
  }

  #item(place: number, bytes: number, read: () => unknown): void {
    const task = this.#tasks.at(place);
    if (task !== undefined && !task.isSettled) task.limits?.onItem?.(read(), bytes);
  }

  /** The worker has taken its tasks up to this number: their bodies are kept only for a retry. */
  #told(taken: number, busyUs: number): void {
    this.window.took(taken, busyUs);
    this.#tasks.told(this.window.told, this.#forgetBody);
  }

  readonly #forgetBody = (task: Task): void => {
    const isKept = task.retriesLeft > 0 || task.stickyKey !== undefined;
    if (task.worker === this && !isKept) task.body = "";
  };

  /** A task that was cancelled, or recalled, before it began. */
  #dropped(place: number): void {
    this.window.dropped();
    const task = this.#remove(place);
    if (task === undefined || task.isSettled) return;
    // The report of taken tasks that follows counts it: its body is still needed.
    task.sentNumber = 0;
    this.#returned.push(task);
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

  #answered(place: number, tell: (task: Task) => void): void {
    const task = this.#release(place);
    if (task !== undefined && !task.isSettled) tell(task);
  }

  #release(place: number): Task | undefined {
    const task = this.#remove(place);
    if (task === undefined) return undefined;
    this.tasksDone += 1;
    this.#times.wait.record(task.sentMs - task.enqueuedMs);
    this.#times.run.record(this.#nowMs - task.sentMs);
    return task;
  }

  #remove(place: number): Task | undefined {
    const task = this.#tasks.remove(place);
    if (task === undefined) return undefined;
    this.idleSinceMs = this.#nowMs;
    if (task.givenUpMs !== undefined) this.givenUp -= 1;
    if (this.state === "leaving") this.departure.look();
    return task;
  }

  closed(error?: Error): void {
    this.departure.closed(error);
  }

  /** The worker has ended, and its last bytes were read. */
  over(how: string): void {
    this.state = "ended";
    const { tasks, told, progress } = this.stallFacts();
    this.#launched.progress.close();
    this.#tasks.clear();
    this.#events.ended(this, how, leftTasks(tasks, { progress, told }));
  }
}
