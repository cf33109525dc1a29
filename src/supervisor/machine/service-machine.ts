import type { ResolvedService } from "../config/resolved.ts";
import { describeExit } from "../restart-policy.ts";
import { type Controls, Operation, type Wanted } from "./operation.ts";
import { planCommand } from "./plan-command.ts";
import { converge } from "./converge.ts";
import { beginsCheck, noteCheck, noteMemory, postpone, type Unfit } from "./fitness.ts";
import { reconcile } from "./reconcile.ts";
import { failureWithinStable } from "./replica-state.ts";
import { ACCEPT_MS, ReplicaTable } from "./replica-table.ts";
import {
  completedNumbers,
  completedReplicas,
  type Missing,
  RestartTracker,
} from "./restart-tracker.ts";
import { planStop } from "./steps.ts";
import type { Command, CompletedReplica, Effect, MachineEvent, ReplicaState } from "./types.ts";

/** The wait before a stop ladder that could not be carried out is tried again, in milliseconds. */
const STOP_AGAIN_MS = 500;
/** After that many tries the command that waits for the stop fails; the tries continue. */
const STOP_TRIES = 20;

/** The input of the machine. */
export interface MachineParts {
  /** The number of the app's next start of a process. */
  readonly nextGeneration: () => number;
  /** 0 to 1, for the jitter of the backoff. */
  readonly random: () => number;
}

/**
 * Every decision about one service: its replicas, its missing replicas and the command under way.
 * It is driven by {@link MachineEvent}s with the time, and returns effects. It performs nothing,
 * reads no clock and has no timer: the caller sends a `tick` at {@link nextWakeMs}.
 *
 * States of a replica and the events that are legal in each:
 *
 * | state | `launched` | `ready` | `ended` | late | command | `stopped` |
 * |---|---|---|---|---|---|---|
 * | starting | confirmed | running | stopping (cleanup), or gone when completed | stopping (late) | stopping | – |
 * | running | – | – | stopping (cleanup), or gone when completed | – | stopping | – |
 * | stopping | confirmed | – | noted | – | escalates with `now` | gone |
 *
 * Invariants, held by test/simulation: a number has at most one replica until its process tree is
 * gone; a reload never has fewer ready replicas than before minus one; every command ends; without
 * further events, the service reaches its desired state.
 */
export class ServiceMachine {
  readonly tracker: RestartTracker;
  /** The reason why the service is not in its desired state, or the message of the last failed command. */
  why: string | undefined;
  #spec: ResolvedService;
  #wanted: Wanted;
  readonly #table: ReplicaTable;
  readonly #queue: { readonly id: number; readonly command: Command }[] = [];
  #operation: Operation | undefined;
  /** Commands that have changed the operation before them. */
  readonly #effective = new Set<number>();
  #effects: Effect[] = [];
  #nowMs = 0;
  /** Whether the present replicas are known: nothing is decided before. */
  #isOpen = false;

  constructor(spec: ResolvedService, wanted: Wanted, parts: MachineParts) {
    this.#spec = spec;
    this.#wanted = wanted;
    this.tracker = new RestartTracker(parts.random);
    this.#table = new ReplicaTable({
      tracker: this.tracker,
      nextGeneration: parts.nextGeneration,
      nowMs: () => this.#nowMs,
      effect: (effect) => this.#do(effect),
    });
  }

  get spec(): ResolvedService {
    return this.#spec;
  }

  get wanted(): Wanted {
    return this.#wanted;
  }

  /** Replicas whose process tree is there, oldest first. */
  get replicas(): readonly ReplicaState[] {
    return this.#table.all;
  }

  /** Whether a command is under way or waits. */
  get isBusy(): boolean {
    return this.#operation !== undefined || this.#queue.length > 0;
  }

  /** Whether the steps of a command are under way. */
  get isChanging(): boolean {
    return this.#operation !== undefined;
  }

  /** Returns the effects of an event, in their order. */
  handle(event: MachineEvent, nowMs: number): readonly Effect[] {
    this.#nowMs = nowMs;
    this.#take(event);
    this.#expire();
    this.#advance();
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** When the next `tick` is due; `undefined`: time alone changes nothing. */
  nextWakeMs(): number | undefined {
    const times = [this.#operation?.nextWakeMs()];
    if (this.#operation === undefined) times.push(this.tracker.nextDueMs(this.#table.numbers));
    for (const { readyByMs, acceptByMs, stopAgainMs, phase, fitness } of this.#table.all) {
      times.push(phase === "starting" ? readyByMs : undefined, acceptByMs, stopAgainMs);
      times.push(phase === "running" ? fitness.checkAtMs : undefined);
    }
    const known = times.filter((time) => time !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }

  #take(event: MachineEvent): void {
    switch (event.type) {
      case "command":
        return this.#enqueue(event.id, event.command);
      case "found":
        this.#isOpen = true;
        return reconcile(event, {
          machine: this,
          nowMs: this.#nowMs,
          adopt: (replica) => this.#table.adopt(replica),
          ended: (replica, exitCode) => this.#ended(replica, exitCode),
          stop: (replica) => this.#table.stop(replica, "excess"),
          stopOn: (replica) => this.#table.stop(replica, "cleanup"),
          cleanUp: (replica) => this.#table.cleanUp(replica, "cleanup"),
          repair: () => this.#repair(),
        });
      case "tick":
        return;
      case "launched":
      case "launch failed":
      case "ready":
      case "accepted":
      case "checked":
      case "measured":
      case "ended":
      case "stopped":
      case "stop failed":
        return this.#takeOf(this.#table.get(event.generation), event);
    }
  }

  /** An event of a replica that has ended is late and is ignored. */
  #takeOf(
    replica: ReplicaState | undefined,
    event: Extract<MachineEvent, { readonly generation: number }>,
  ): void {
    if (replica === undefined) return;
    switch (event.type) {
      case "launched":
        return this.#launched(replica);
      case "launch failed":
        return this.#launchFailed(replica, event.why);
      case "ready":
        return this.#ready(replica);
      case "accepted":
        replica.held = false;
        replica.acceptByMs = undefined;
        return;
      case "checked":
        return this.#judge(
          replica,
          noteCheck(replica.fitness, this.#spec, event.failure, this.#nowMs),
        );
      case "measured":
        return this.#judge(
          replica,
          noteMemory(replica.fitness, this.#spec, event.memoryBytes, this.#nowMs),
        );
      case "ended":
        return this.#ended(replica, event.exitCode);
      case "stopped":
        return this.#gone(replica);
      case "stop failed":
        return this.#stopFailed(replica, event.why);
    }
  }

  #launched(replica: ReplicaState): void {
    if (replica.launched) return;
    replica.launched = true;
    const { generation } = replica;
    if (replica.phase === "starting") this.#do({ do: "probe", generation });
    // The replica had to be stopped before its process existed.
    else if (replica.phase === "stopping") this.#do({ do: "stop", generation, now: false });
  }

  /** The kernel may have made it all the same, when only the answer was lost: the ladder is for that. */
  #launchFailed(replica: ReplicaState, why: string): void {
    const ending = `it could not be started: ${why}`;
    replica.failure = ending;
    replica.exited = true;
    if (replica.phase === "stopping") {
      this.#do({ do: "stop", generation: replica.generation, now: false });
      return;
    }
    this.#noteEnd(replica, null, ending);
    this.#table.stop(replica, "cleanup");
    this.#operation?.failed(replica, "launch", ending);
  }

  #ready(replica: ReplicaState): void {
    if (replica.phase !== "starting") return;
    replica.phase = "running";
    replica.ready = true;
    replica.readyMs = this.#nowMs;
    replica.readyByMs = undefined;
    if (this.#operation === undefined) this.why = undefined;
  }

  #ended(replica: ReplicaState, exitCode: number | null): void {
    if (replica.exited) return;
    replica.exited = true;
    replica.exitCode = exitCode;
    if (replica.phase === "stopping") return;
    const how = `ended with ${describeExit(exitCode)}`;
    const missing = this.#noteEnd(replica, exitCode, `it ${how}`);
    replica.ready = false;
    // A server that ends during a reload is no success, with any exit code.
    const isFailure = missing.kind !== "completed" || replica.spec.listen.length > 0;
    if (isFailure)
      replica.failure = replica.readyMs === undefined ? `it ${how}` : `it got ready, then ${how}`;
    // Descendants may hold what a successor needs; without a successor they may be the service.
    if (missing.kind === "completed" && this.#operation === undefined) this.#table.forget(replica);
    else this.#table.stop(replica, "cleanup");
    if (isFailure)
      this.#operation?.failed(replica, "not ready", failureWithinStable(replica, this.#nowMs));
    this.#replanWithout(replica);
  }

  /** A replica that the current plan keeps is lost: makes a new plan from the remaining replicas. */
  #replanWithout(replica: ReplicaState): void {
    const operation = this.#operation;
    if (operation?.countsOn(replica) !== true) return;
    const { command } = operation;
    const again: Command =
      command.kind === "scale"
        ? { ...command, relative: false, replicas: this.#wanted.replicas }
        : command;
    const { steps, keepsCompleted } = planCommand(again, this);
    // Missing replicas are started by the plan.
    if (steps.length > 0) this.tracker.clearAll(keepsCompleted);
    operation.replan(steps);
  }

  #noteEnd(replica: ReplicaState, exitCode: number | null, ending: string): Missing {
    const { number, startedMs, spec } = replica;
    const livedMs = this.#nowMs - startedMs;
    const end = { generation: replica.generation, exitCode, livedMs, ending };
    const missing = this.tracker.ended(number, end, spec.restart, this.#nowMs);
    if (missing.kind === "failed") this.why = `${this.#nameOf(number)}: ${missing.why}`;
    else if (missing.kind === "backoff") this.why = `${this.#nameOf(number)}: ${ending}`;
    return missing;
  }

  #stopFailed(replica: ReplicaState, why: string): void {
    if (replica.phase !== "stopping") return;
    replica.stopAgainMs = this.#nowMs + STOP_AGAIN_MS;
    replica.stopTries += 1;
    if (replica.stopTries >= STOP_TRIES) this.#operation?.failed(replica, "not stopped", why);
  }

  #gone(replica: ReplicaState): void {
    if (replica.phase !== "stopping") return;
    const { stopReason, failure = "it was not ready in time" } = replica;
    if (stopReason === "late" || stopReason === "liveness" || stopReason === "memory")
      this.#noteEnd(replica, null, failure);
    this.#table.forget(replica);
  }

  /**
   * A replica that is not fit any more is replaced: by a new one before it is stopped where two may run at once,
   * else it is stopped and the restart policy decides.
   */
  #judge(replica: ReplicaState, unfit: Unfit | undefined): void {
    if (unfit === undefined || replica.phase !== "running") return;
    const { reload, restart } = this.#spec;
    const isStartFirst = reload.order === "start-first";
    // The command under way may count on it until its successor serves.
    if (isStartFirst && restart.policy === "never" && this.#operation !== undefined)
      return postpone(replica.fitness, this.#nowMs, 0);
    this.why = `${this.#nameOf(replica.number)}: ${unfit.why}`;
    if (isStartFirst && restart.policy !== "never" && this.#wanted.up) {
      const command: Command = { kind: "replace", generation: replica.generation };
      this.#queue.push({ id: -1, command });
      return;
    }
    replica.failure = unfit.why;
    this.#table.stop(replica, unfit.reason);
    this.#operation?.failed(replica, "not ready", unfit.why);
    this.#replanWithout(replica);
  }

  #enqueue(id: number, command: Command): void {
    if (command.kind === "stop") {
      // Waiting and running commands give way; nothing is started that would be stopped at once.
      for (const { id: other } of this.#queue.splice(0)) this.#finish(other, false, CANCELLED);
      for (const { fitness, phase } of this.#table.all)
        if (phase === "running") fitness.unfit = undefined;
      if (this.#operation?.command.kind === "stop") {
        // Both wait for the same end.
        if (command.now) {
          this.#operation.killNow();
          this.#effective.add(id);
        }
      } else if (this.#operation !== undefined) {
        this.#operation.cancel();
        this.#complete(this.#operation);
      }
    }
    this.#queue.push({ id, command });
  }

  #advance(): void {
    for (;;) {
      if (this.#operation === undefined) {
        const next = this.#isOpen ? this.#queue.shift() : undefined;
        if (next === undefined) break;
        this.#operation = this.#beginOperation(next.id, next.command);
      }
      if (!this.#operation.advance(this.#nowMs)) return;
      this.#complete(this.#operation);
    }
    if (!this.#isOpen) return;
    const { tracker } = this;
    const [spec, wanted, table, nowMs] = [this.#spec, this.#wanted, this.#table, this.#nowMs];
    converge({ spec, wanted, tracker, table, nowMs });
  }

  #beginOperation(id: number, command: Command): Operation {
    const completed = completedReplicas(this.tracker);
    const former = { spec: this.#spec, wanted: this.#wanted, completed };
    const { spec, wanted, steps, keepsCompleted } = planCommand(command, this);
    const acts = steps.length > 0 || command.kind === "stop";
    const swept = acts && !keepsCompleted ? this.#table.sweepCompleted(this.#spec) : [];
    this.#spec = spec;
    this.#wanted = wanted;
    // A missing replica is started by the plan, or not wanted.
    if (acts && command.kind !== "replace") this.tracker.clearAll(keepsCompleted);
    if (command.kind === "apply") command.completed?.forEach(this.#setCompleted);
    return new Operation(
      id,
      command,
      [...planStop(swept, "completed"), ...steps],
      former,
      this.#controls,
    );
  }

  readonly #setCompleted = ({ number, generation }: CompletedReplica): void => {
    this.tracker.set(number, { kind: "completed", generation });
  };

  #complete(operation: Operation): void {
    this.#operation = undefined;
    const { id, failure } = operation;
    const changed = this.#effective.delete(id) || operation.changed;
    if (failure === undefined) {
      // A command that changes nothing leaves the reason why replicas are missing.
      if (changed || this.#isWhole) this.why = undefined;
    } else {
      const { number, why } = failure;
      const cause = number === undefined ? why : `${this.#nameOf(number)}: ${why}`;
      this.why = operation.isRestored ? `${describeFailed(operation.command)}: ${cause}` : cause;
    }
    this.#settleReplace(operation);
    this.#finish(id, changed, failure);
  }

  /** Counts a replica that was replaced, or lets it continue when its replacement failed. */
  #settleReplace({ command, changed, failure }: Operation): void {
    if (command.kind !== "replace" || !changed) return;
    if (failure === undefined) return this.tracker.replaced(this.#nowMs);
    const replica = this.#table.get(command.generation);
    const unfit = replica?.fitness.unfit;
    if (replica === undefined || unfit === undefined || replica.phase !== "running") return;
    this.why = `${this.#nameOf(replica.number)}: ${unfit.why}, and its replacement failed: ${failure.why}`;
    postpone(replica.fitness, this.#nowMs);
  }

  /** Every wanted replica exists and is ready. */
  get #isWhole(): boolean {
    const { up, replicas } = this.#wanted;
    return up && this.#table.all.filter(({ ready }) => ready).length >= replicas;
  }

  #finish(id: number, changed: boolean, failure: Operation["failure"]): void {
    // Negative: the machine's own.
    if (id >= 0) this.#do({ do: "finish", id, changed, failure });
  }

  /** Replicas with other settings than the rest: a supervisor died while a command was under way. */
  #repair(): void {
    const { spec, wanted } = this;
    this.#queue.push({ id: -1, command: { kind: "apply", spec, ...wanted } });
  }

  #expire(): void {
    for (const replica of this.#table.all) {
      const { phase, readyByMs, acceptByMs, stopAgainMs, spec } = replica;
      if (phase === "starting" && readyByMs !== undefined && readyByMs <= this.#nowMs)
        this.#late(replica, `it was not ready within ${spec.ready.timeoutMs} ms`);
      else if (phase !== "stopping" && acceptByMs !== undefined && acceptByMs <= this.#nowMs)
        this.#late(replica, `it did not begin to accept connections within ${ACCEPT_MS} ms`);
      if (
        replica.phase === "running" &&
        !replica.held &&
        beginsCheck(replica.fitness, this.#spec, this.#nowMs)
      )
        this.#do({ do: "check", generation: replica.generation });
      if (phase === "stopping" && stopAgainMs !== undefined && stopAgainMs <= this.#nowMs) {
        replica.stopAgainMs = undefined;
        this.#do({ do: "stop", generation: replica.generation, now: false });
      }
    }
  }

  #late(replica: ReplicaState, failure: string): void {
    replica.failure = failure;
    this.#table.stop(replica, "late");
    this.#operation?.failed(replica, "not ready", failure);
    this.#replanWithout(replica);
  }

  #nameOf(number: number): string {
    return `${this.#spec.name}.${number}`;
  }

  #do(effect: Effect): void {
    this.#effects.push(effect);
  }

  get #controls(): Controls {
    // eslint-disable-next-line no-this-alias -- the getters below read the machine at their time
    const machine = this;
    return {
      get spec() {
        return machine.spec;
      },
      get wanted() {
        return machine.wanted;
      },
      get replicas() {
        return machine.replicas;
      },
      get completed() {
        return completedNumbers(machine.tracker);
      },
      want: (spec, wanted) => {
        this.#spec = spec;
        this.#wanted = wanted;
      },
      setCompleted: this.#setCompleted,
      forgetMissing: (number) => this.tracker.clear(number),
      launch: (number, hold) => this.#table.launch(this.#spec, number, hold),
      stop: (replica, reason, now) => this.#table.stop(replica, reason, now),
      accept: (replica) => this.#table.accept(replica),
      report: (step) => {
        const id = this.#operation?.id ?? -1;
        if (id >= 0) this.#do({ do: "report", id, step });
      },
    };
  }
}

/** A command that failed and whose former state runs. */
function describeFailed({ kind }: Command): string {
  return `the last ${kind === "apply" ? "up" : kind} failed and was undone`;
}

const CANCELLED = {
  reason: "cancelled",
  why: "another command stopped it",
  reloading: false,
} as const;
