import type { Bus } from "../../../src/bus/bus.ts";
import type { BusState } from "../../../src/bus/lifecycle/states.ts";
import type { VirtualClock } from "./clock.ts";
import { type Act, type ListenerSpec, type Program, STATES } from "./program.ts";
import type { Seen } from "./trace.ts";

/** The classes under test, which a variant takes from a copy of the source. */
export interface Subject {
  readonly Bus: typeof Bus;
  readonly ExitRequest: new (exitCode?: number) => Error;
}

/** The limit of each listener, in virtual milliseconds. */
const LIMIT_MS = 40;
/** A program must end within this time: far more than the limits of all its listeners together. */
const PROGRAM_MS = 5_000;
/** The most calls of a program, so that it ends. */
const MOST_CALLS = 30;

/** The lines of the log that say which state was entered. */
const STATE_WORDS: Readonly<Record<string, BusState>> = {
  "Bus starting": "starting",
  "Bus started": "started",
  "Bus stopping": "stopping",
  "Bus stopped": "idle",
  "Bus exiting": "exiting",
  "Bus exited": "exited",
  "Bus failed": "failed",
};

/** Resolves when every promise that can settle now has. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Runs a program in virtual time, and returns its trace. */
export async function runProgram(
  program: Program,
  subject: Subject,
  clock: VirtualClock,
): Promise<Seen[]> {
  clock.clear();
  const run = new Run(subject);
  const uncaught = (error: unknown): void => run.see({ see: "uncaught", error });
  process.on("uncaughtException", uncaught);
  process.on("unhandledRejection", uncaught);
  for (const listener of program.listeners) run.subscribe(listener);
  const script = run.script(program.script);
  await settled();
  while (run.isOpen && clock.next(PROGRAM_MS)) await settled();
  void script;
  run.over();
  await settled();
  process.off("uncaughtException", uncaught);
  process.off("unhandledRejection", uncaught);
  return run.trace;
}

class Run {
  readonly trace: Seen[] = [];
  readonly #subject: Subject;
  readonly #bus: Bus;
  #calls = 0;
  #open = 0;
  #inEntry = false;

  constructor(subject: Subject) {
    this.#subject = subject;
    const limits = {
      start: LIMIT_MS,
      stop: LIMIT_MS,
      restart: LIMIT_MS,
      graceful: LIMIT_MS,
      exit: LIMIT_MS,
    };
    this.#bus = new subject.Bus({ timeoutsMs: limits });
    this.#bus.replaceWith(() => undefined);
    for (const state of STATES)
      this.#bus.subscribe(state, () => this.see({ see: "published", state }), {
        priority: -1,
        name: "recorder",
      });
    this.#bus.subscribe("log", ({ message }) => this.#logged(message), {
      priority: -1,
      name: "recorder",
    });
  }

  /** Whether a call has not settled, or the script is not over. */
  get isOpen(): boolean {
    return this.#open > 0;
  }

  see(seen: Seen): void {
    this.trace.push(seen);
  }

  over(): void {
    const { state, exitCode, tasks } = this.#bus;
    this.see({ see: "over", state, exitCode, tasks });
    process.removeAllListeners("beforeExit");
    process.exitCode = 0;
  }

  subscribe(spec: ListenerSpec): void {
    const { channel, name, priority } = spec;
    const call = (...args: unknown[]): unknown => this.#call(spec, args[0]);
    this.#bus.subscribe(channel, call, { name, priority });
  }

  async script(acts: readonly Act[]): Promise<void> {
    this.#open += 1;
    for (const act of acts) await this.#act(act, undefined);
    void this.#ask({ do: "block" }, undefined);
    await this.#ask({ do: "ask", command: "exit", code: undefined, awaited: true }, undefined);
    this.#open -= 1;
  }

  #logged(message: string): void {
    const state = STATE_WORDS[message];
    if (state !== undefined) this.see({ see: "state", state });
    const [, listener] = /^The listener (\S+) of the channel "\w+" failed\./.exec(message) ?? [];
    if (listener !== undefined)
      this.see({ see: "failure", listener, isLate: message.includes("did not finish within") });
  }

  #call(spec: ListenerSpec, step: unknown): unknown {
    const { name: listener, channel } = spec;
    // An entry that a listener of `log` causes calls it again.
    if (channel === "log" && this.#inEntry) return undefined;
    this.see({ see: "begin", listener, channel, state: this.#bus.state });
    if (!spec.synchronous) {
      const called = this.#callAsync(spec, step);
      // Recorded when the promise rejects, just before the bus notices.
      called.catch(() => this.#seeEnd(spec));
      return called;
    }
    this.#inEntry = channel === "log";
    for (const act of spec.acts) void this.#act(act, listener);
    this.#inEntry = false;
    this.#finish(spec);
    return spec.finish.by === "hang" || spec.finish.by === "abort"
      ? new Promise(() => undefined)
      : undefined;
  }

  async #callAsync(spec: ListenerSpec, step: unknown): Promise<void> {
    for (const act of spec.acts) await this.#act(act, spec.name);
    if (spec.finish.by === "hang") await new Promise(() => undefined);
    if (spec.finish.by === "abort") await aborted(step);
    this.#finish(spec);
  }

  #finish(spec: ListenerSpec): void {
    const { finish, synchronous, name: listener, channel } = spec;
    if (finish.by === "exit") throw this.#request(listener, channel, finish.code);
    if (synchronous || finish.by !== "throw") this.#seeEnd(spec);
    if (finish.by === "throw") throw new Error("a listener of the program failed");
  }

  /** A request that is recorded when the bus first reads its code, which is when it acts on it. */
  #request(listener: string, channel: string, code: number | undefined): Error {
    let isNew = true;
    const get = (): number | undefined => {
      if (isNew) this.see({ see: "request", listener, channel, code });
      isNew = false;
      return code;
    };
    return Object.defineProperty(new this.#subject.ExitRequest(code), "exitCode", { get });
  }

  #seeEnd({ name: listener, channel, finish }: ListenerSpec): void {
    if (finish.by === "throw") this.see({ see: "throw", listener, channel });
    else if (finish.by !== "exit")
      this.see({ see: "end", listener, channel, state: this.#bus.state });
  }

  async #act(act: Act, by: string | undefined): Promise<void> {
    if (act.do === "pause") {
      if (act.ms > 0) await new Promise((resolve) => setTimeout(resolve, act.ms));
    } else if (act.do === "keep") {
      this.#keep(act.ms, act.blocks);
    } else {
      const answer = this.#ask(act, by);
      if (act.do === "ask" && act.awaited) await answer;
    }
  }

  /** Resolves when the call has settled, either way. */
  #ask(act: Exclude<Act, { do: "pause" | "keep" }>, by: string | undefined): Promise<void> {
    this.#calls += 1;
    if (this.#calls > MOST_CALLS && by !== undefined) return Promise.resolve();
    const bus = this.#bus;
    const id = this.#calls;
    const call = act.do === "ask" ? act.command : act.do;
    const states: readonly BusState[] = act.do === "wait" ? act.states : [];
    const code = act.do === "ask" ? act.code : undefined;
    this.see({ see: "asked", id, call, states, code, by, state: bus.state });
    const settle = (value: unknown, error: string | undefined): void => {
      this.#open -= 1;
      const { state, exitCode } = bus;
      this.see({ see: "settled", id, value, error, state, exitCode });
    };
    this.#open += 1;
    return this.#begin(act).then(
      (value) => settle(value, undefined),
      (error: unknown) => settle(undefined, codeOf(error)),
    );
  }

  #begin(act: Exclude<Act, { do: "pause" | "keep" }>): Promise<unknown> {
    const bus = this.#bus;
    if (act.do === "wait") return bus.wait(act.states);
    if (act.do === "block") return bus.block({ intervalMs: 3 });
    return act.command === "exit" ? bus.exit(act.code) : bus[act.command]();
  }

  #keep(ms: number, blocks: boolean): void {
    this.#calls += 1;
    if (this.#calls > MOST_CALLS) return;
    const id = this.#calls;
    this.see({ see: "task", id, is: "kept" });
    this.#bus.keep(`task-${id}`, async () => {
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
      if (blocks) {
        this.see({ see: "task", id, is: "blocks" });
        await this.#bus.block();
      }
      this.see({ see: "task", id, is: "over" });
    });
  }
}

function aborted(step: unknown): Promise<void> {
  const signal =
    typeof step === "object" && step !== null && "signal" in step ? step.signal : undefined;
  if (!(signal instanceof AbortSignal)) throw new Error("a lifecycle listener got no step");
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

function codeOf(error: unknown): string {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : error;
  return String(code);
}
