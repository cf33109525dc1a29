import type { BusState } from "../../../src/bus/lifecycle/states.ts";
import { type Command, LIFECYCLE, type ListenerSpec, type Program } from "./program.ts";
import type { Seen } from "./trace.ts";

type Asked = Extract<Seen, { see: "asked" }>;
type Settled = Extract<Seen, { see: "settled" }>;

/** The moves of the documented table. */
const MOVES: Readonly<Record<BusState, readonly BusState[]>> = {
  idle: ["starting", "stopping", "exiting"],
  starting: ["started", "stopping", "failed"],
  started: ["stopping"],
  stopping: ["idle", "failed"],
  failed: ["stopping", "exiting"],
  exiting: ["exited"],
  exited: [],
};

/** The state in which the listeners of a lifecycle channel run. */
const STATE_OF: Readonly<Record<string, BusState>> = {
  start: "starting",
  stop: "stopping",
  restart: "started",
  graceful: "started",
  exit: "exiting",
};

const TRANSITION = "NEWEL_E_BUS_TRANSITION";
const LISTENERS = "NEWEL_E_BUS_LISTENERS";

interface Call {
  readonly asked: Asked;
  /** The documented table refuses it; `undefined` if the answer depends on a restart under way. */
  readonly isRefused: boolean | undefined;
  /** Called by a listener of the running step: it resolves immediately. */
  readonly isInside: boolean;
  /** The states entered since the call. */
  readonly entered: BusState[];
  /** Whether a stop or an exit was accepted since the call, or before. */
  isSuperseded: boolean;
  /** Whether a stop was accepted. */
  isStopped: boolean;
  /** The passes since the call, and the one that ran then. */
  passes: Pass[];
}

/** The listeners of a lifecycle channel, called once in order. */
interface Pass {
  readonly channel: string;
  readonly begun: string[];
  failed: boolean;
}

/** The rules of the documentation, as a state machine that follows a trace. */
class Rules {
  readonly broken: string[] = [];
  readonly #listeners: ReadonlyMap<string, ListenerSpec>;
  readonly #order: ReadonlyMap<string, readonly string[]>;
  #state: BusState = "idle";
  #exitAsked = false;
  #stopAsked = false;
  /** A stop that belongs to the shutdown has begun, or ended. */
  #shutdownStop: "none" | "begun" | "ended" = "none";
  /** The lifecycle channel whose listeners run, and those that have begun. */
  #pass: Pass | undefined;
  #runs: string | undefined;
  readonly #calls = new Map<number, Call>();
  readonly #unlogged: string[] = [];
  readonly #codes: number[] = [];
  #failures = 0;
  #hasFailedInPass = false;
  readonly #failedInPublish = new Set<string>();
  #restarts = 0;
  #entries = 0;
  #published = 0;
  readonly #tasks = new Map<number, "kept" | "blocks" | "over">();
  #exitPasses = 0;

  constructor({ listeners }: Program) {
    this.#listeners = new Map(listeners.map((listener) => [listener.name, listener]));
    const channels = new Set(listeners.map(({ channel }) => channel));
    this.#order = new Map(
      [...channels].map((channel) => [
        channel,
        listeners
          .filter((listener) => listener.channel === channel)
          .sort((a, b) => a.priority - b.priority)
          .map(({ name }) => name),
      ]),
    );
  }

  /** Follows one step of a trace. */
  follow(seen: Seen): void {
    switch (seen.see) {
      case "asked":
        this.#asked(seen);
        break;
      case "settled":
        this.#settled(seen);
        break;
      case "begin":
        this.#begin(seen.listener, seen.channel, seen.state);
        break;
      case "end":
        this.#end(seen.listener);
        break;
      case "throw":
        if (seen.channel !== "log") this.#unlogged.push(seen.listener);
        if (this.#isAwaited(seen.listener, seen.channel)) this.#failedInPublish.add(seen.channel);
        break;
      case "request":
        this.#request(seen.listener, seen.channel, seen.code);
        break;
      case "state":
        this.#entered(seen.state);
        break;
      case "failure":
        this.#failure(seen.listener, seen.isLate);
        break;
      case "published":
        if (seen.state !== this.#state) this.#breaks(`${seen.state} was published`);
        this.#published += 1;
        break;
      case "task":
        // A task that is added after the end does not delay a block() that is about to resolve.
        if (this.#state !== "exited" || this.#tasks.has(seen.id)) this.#tasks.set(seen.id, seen.is);
        break;
      case "uncaught":
        this.#breaks(`an error reached the process: ${String(seen.error)}`);
        break;
      case "over":
        this.#over(seen);
        break;
    }
  }

  #breaks(rule: string): void {
    this.broken.push(rule);
  }

  #asked(asked: Asked): void {
    const { call, by, state } = asked;
    if (state !== this.#state) this.#breaks(`${call}: the state is ${state}, not ${this.#state}`);
    // The bus may have called a listener of `log` for a running listener.
    const isOfLog = this.#listeners.get(by ?? "")?.channel === "log" && this.#pass !== undefined;
    const isInside = isOfLog || this.#runs === by;
    const isRefused = this.#refuses(call, asked.states);
    const entered: BusState[] = [];
    const isSuperseded = this.#exitAsked || this.#stopAsked;
    const passes = this.#pass === undefined ? [] : [this.#pass];
    this.#calls.set(asked.id, {
      asked,
      isRefused,
      isInside,
      entered,
      isSuperseded,
      isStopped: this.#stopAsked,
      passes,
    });
    if (call === "restart" && isRefused === false) this.#restarts += 1;
    if (call === "exit") this.#exit(asked.code);
    if (call === "stop" && isRefused === false && this.#state !== "stopping") this.#stop();
  }

  /** The table of the guide. */
  #refuses(call: Asked["call"], states: readonly BusState[]): boolean | undefined {
    const state = this.#state;
    const leaves = this.#exitAsked || this.#stopAsked;
    switch (call) {
      case "exit":
      case "block":
        return false;
      case "start":
        if (state === "started" || state === "starting") return false;
        return state !== "idle" || leaves;
      case "stop":
        return (
          state === "exiting" ||
          state === "exited" ||
          (this.#shutdownStop === "ended" && (state === "idle" || state === "failed"))
        );
      case "restart":
        if (this.#restarts > 0) return undefined;
        return state !== "started" || leaves;
      case "graceful":
        return state !== "started" || leaves;
      case "wait":
        return !states.some((wanted) => wanted === state || this.#canEnter(wanted));
    }
  }

  #canEnter(wanted: BusState): boolean {
    const reached = new Set<BusState>();
    const visit = (state: BusState, hasStopped: boolean): void => {
      for (const next of MOVES[state]) {
        const isStart = next === "starting" || next === "started";
        if (this.#exitAsked && (isStart || (hasStopped && next === "stopping"))) continue;
        if (this.#exitAsked && next === "failed" && state === "starting") continue;
        if (this.#exitAsked && !hasStopped && next === "exiting") continue;
        if (reached.has(next)) continue;
        reached.add(next);
        visit(next, hasStopped || state === "stopping");
      }
    };
    visit(this.#state, this.#shutdownStop === "ended");
    return reached.has(wanted);
  }

  #exit(code: number | undefined): void {
    const valid = code === undefined || (code >= 0 && code <= 255) ? code : 70;
    const asked = valid ?? (this.#state === "starting" ? 70 : undefined);
    if (asked !== undefined) this.#codes.push(asked);
    this.#exitAsked = true;
    if (this.#state === "stopping" && this.#shutdownStop === "none") this.#shutdownStop = "begun";
    this.#supersede();
  }

  #stop(): void {
    this.#stopAsked = true;
    this.#supersede();
    for (const call of this.#calls.values()) call.isStopped = true;
  }

  #supersede(): void {
    for (const call of this.#calls.values()) call.isSuperseded = true;
  }

  #request(listener: string, channel: string, code: number | undefined): void {
    this.#end(listener);
    // A listener of `log` cannot request the exit.
    if (channel === "log") return;
    const failedBefore =
      this.#pass?.channel === channel ? this.#hasFailedInPass : this.#hasFailedBefore(listener);
    this.#exit(failedBefore && (code ?? 0) === 0 ? 1 : code);
  }

  /** Whether a listener of the same publish of `main` or of a state failed before. */
  #hasFailedBefore(name: string): boolean {
    const listener = this.#listeners.get(name);
    if (listener?.synchronous !== true && listener?.channel !== "main") return false;
    return this.#failedInPublish.has(listener.channel);
  }

  #begin(name: string, channel: string, state: BusState): void {
    const unlogged = this.#unlogged.filter((failed) => this.#isAwaited(failed, channel));
    if (unlogged.length > 0 && channel !== "log")
      this.#breaks(`${name} began before the failure of ${unlogged.join()} was logged`);
    if (name === this.#order.get(channel)?.[0]) this.#failedInPublish.delete(channel);
    if (channel === "main") {
      if (this.#state !== "started" || this.#exitAsked || this.#stopAsked)
        this.#breaks(`main was published in ${this.#state}`);
      return;
    }
    const stateOf = STATE_OF[channel];
    if (stateOf === undefined) return;
    if (state !== stateOf || this.#state !== stateOf)
      this.#breaks(`${name} of ${channel} began in ${state}`);
    if (this.#runs !== undefined) this.#breaks(`${name} began while ${this.#runs} ran`);
    if (["start", "restart", "graceful"].includes(channel) && (this.#exitAsked || this.#stopAsked))
      this.#breaks(`${name} of ${channel} began after a stop or an exit was asked for`);
    const order = this.#order.get(channel) ?? [];
    const isNew = this.#pass?.channel !== channel || this.#pass.begun.length === order.length;
    if (isNew || name === order[0]) this.#beginPass(channel);
    const expected = order[this.#pass?.begun.length ?? 0];
    if (name !== expected) this.#breaks(`${name} of ${channel} began, and not ${expected}`);
    this.#pass?.begun.push(name);
    this.#runs = name;
  }

  /** A failure of the others is known only when their promise rejects. */
  #isAwaited(name: string, channel: string): boolean {
    const listener = this.#listeners.get(name);
    if (listener?.channel !== channel) return false;
    return listener.synchronous || STATE_OF[channel] !== undefined;
  }

  #beginPass(channel: string): void {
    this.#pass = { channel, begun: [], failed: false };
    this.#hasFailedInPass = false;
    if (channel === "start") this.#failures = 0;
    if (channel === "exit") this.#exitPasses += 1;
    const pass = this.#pass;
    for (const call of this.#calls.values()) call.passes.push(pass);
  }

  #end(name: string): void {
    if (this.#runs === name) this.#runs = undefined;
  }

  #failure(name: string, isLate: boolean): void {
    const channel = this.#listeners.get(name)?.channel ?? "";
    const finish = this.#listeners.get(name)?.finish.by;
    if (isLate) {
      if (finish !== "hang" && finish !== "abort")
        this.#breaks(`${name} of ${channel} waited for something that waited for it`);
    } else {
      const at = this.#unlogged.indexOf(name);
      if (at === -1) this.#breaks(`a failure of ${name} was logged that did not happen`);
      else this.#unlogged.splice(at, 1);
    }
    if (this.#pass?.channel === channel && this.#pass.begun.at(-1) === name) {
      this.#pass.failed = true;
      this.#hasFailedInPass = true;
      if (channel !== "graceful" && channel !== "restart") this.#failures += 1;
    }
    this.#end(name);
  }

  #entered(state: BusState): void {
    const from = this.#state;
    if (!MOVES[from].includes(state)) this.#breaks(`the bus went from ${from} to ${state}`);
    if (this.#exitAsked && (state === "starting" || state === "started"))
      this.#breaks(`the bus became ${state} after an exit was asked for`);
    this.#leave(from, state);
    this.#state = state;
    this.#entries += 1;
    for (const call of this.#calls.values()) call.entered.push(state);
    if (state === "stopping") {
      if (this.#shutdownStop !== "none") this.#breaks("the shutdown stopped twice");
      if (this.#exitAsked) this.#shutdownStop = "begun";
      this.#stopAsked = false;
    }
    if (state === "started") this.#restarts = 0;
    // A failed start shuts down automatically, before its listeners are called.
    if (state === "failed" && from === "starting") this.#exitAsked = true;
    this.#pass = undefined;
    this.#runs = undefined;
  }

  /** Every listener of the state that is left has run. */
  #leave(from: BusState, to: BusState): void {
    const channel = LIFECYCLE.find((name) => STATE_OF[name] === from);
    const isWhole = from === "stopping" || from === "exiting" || to === "started";
    if (channel !== undefined && isWhole) {
      const left = (this.#order.get(channel) ?? []).length - (this.#pass?.begun.length ?? 0);
      if (left > 0) this.#breaks(`${left} listeners of ${channel} did not run`);
    }
    if (from === "stopping" && this.#shutdownStop === "begun") this.#shutdownStop = "ended";
    if (to === "exiting" && this.#shutdownStop !== "ended")
      this.#breaks("the bus exited without a stop");
    // A restart that was not refused requests the exit.
    if (from === "started" && !this.#exitAsked && !this.#stopAsked) {
      if (this.#pass?.channel !== "restart" || this.#pass.failed)
        this.#breaks("the bus stopped, and nothing had asked for it");
      this.#exit(undefined);
    }
  }

  #settled(settled: Settled): void {
    const call = this.#calls.get(settled.id);
    if (call === undefined) throw new Error("settled without a call");
    const { asked, isRefused } = call;
    const name = `${asked.call} in ${asked.state}`;
    const { error } = settled;
    if (asked.call === "restart" && !call.isInside && settled.state !== "exited")
      this.#restarts = 0;
    if (isRefused === true || (isRefused === undefined && error === TRANSITION)) {
      if (error !== TRANSITION) this.#breaks(`${name} was accepted`);
    } else if (asked.call === "wait") {
      this.#waited(asked, call, settled);
    } else if (error === undefined) {
      this.#resolved(asked.call, name, call, settled);
    } else {
      this.#rejected(asked.call, name, call, error);
    }
    this.#calls.delete(settled.id);
  }

  #waited({ states, state }: Asked, { entered }: Call, { value, error }: Settled): void {
    const first = [state, ...entered].find((each) => states.includes(each));
    if (error === undefined && value !== first)
      this.#breaks(`wait for ${states.join()} resolved with ${String(value)}, not ${first}`);
    if (error === undefined) return;
    if (error !== TRANSITION) this.#breaks(`wait rejected with ${error}`);
    if (first !== undefined) this.#breaks(`wait for ${states.join()} rejected after ${first}`);
    if (states.some((each) => this.#canEnter(each)))
      this.#breaks(`wait for ${states.join()} rejected in ${this.#state}`);
  }

  #resolved(call: Command | "block", name: string, made: Call, settled: Settled): void {
    const { entered, isInside, isSuperseded, passes, asked } = made;
    const { state } = settled;
    const has = (wanted: BusState): boolean => asked.state === wanted || entered.includes(wanted);
    if (call === "exit" || call === "block") {
      // A later call may have changed the code since.
      if (![0, 70, settled.exitCode, ...this.#codes].includes(Number(settled.value)))
        this.#breaks(`${name} returned ${String(settled.value)}`);
    }
    if (call === "block") {
      if (state !== "exited") this.#breaks(`block resolved in ${state}`);
      const left = [...this.#tasks.values()].filter((is) => is !== "over");
      if (asked.by === undefined && left.length > 0)
        this.#breaks(`block resolved before ${left.length} tasks`);
      return;
    }
    if (isInside) return;
    const isWhole = passes.some((pass) => pass.channel === call);
    if (call === "exit" && state !== "exited") this.#breaks(`${name} resolved in ${state}`);
    if (call === "start" && !has("started") && !made.isStopped && state !== "exited")
      this.#breaks(`${name} resolved in ${state}, not started`);
    if (call === "stop" && !entered.includes("idle") && state !== "exited")
      this.#breaks(`${name} resolved in ${state}`);
    if (call === "graceful" && !isWhole && !isSuperseded)
      this.#breaks(`${name} resolved without its listeners`);
    if (call === "restart" && state !== "exited" && !isSuperseded)
      this.#breaks(`${name} resolved in ${state}`);
  }

  #rejected(call: Command | "block", name: string, made: Call, error: string): void {
    if (error !== LISTENERS || call === "exit" || call === "block") {
      this.#breaks(`${name} rejected with ${error}`);
      return;
    }
    if (!made.passes.some((pass) => pass.channel === call && pass.failed))
      this.#breaks(`${name} rejected, and no listener had failed`);
    if (call === "start" && this.#state !== "exited")
      this.#breaks(`${name} rejected in ${this.#state}`);
  }

  #over({ state, exitCode, tasks }: Extract<Seen, { see: "over" }>): void {
    for (const { asked } of this.#calls.values())
      this.#breaks(`${asked.call} ${asked.states.join()} in ${asked.state} never settled`);
    if (state !== "exited") this.#breaks(`the program ended in ${state}`);
    if (tasks.length > 0) this.#breaks(`tasks are left: ${tasks.join()}`);
    if (this.#exitPasses !== 1) this.#breaks(`the exit listeners ran ${this.#exitPasses} times`);
    const codes = this.#codes.filter((code) => code !== 0);
    const expected = codes[0] ?? (this.#failures > 0 ? 70 : 0);
    if (exitCode !== expected) this.#breaks(`the exit code is ${exitCode}, not ${expected}`);
    if (this.#published !== this.#entries)
      this.#breaks(`${this.#entries} states, of which ${this.#published} were published`);
    if (this.#unlogged.length > 0)
      this.#breaks(`failures were not logged: ${this.#unlogged.join()}`);
  }
}

/** The rules that a trace breaks. */
export function brokenRules(program: Program, trace: readonly Seen[]): readonly string[] {
  const rules = new Rules(program);
  for (const seen of trace) rules.follow(seen);
  return rules.broken;
}
