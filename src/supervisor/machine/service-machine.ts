import type { ResolvedService } from "../config/resolved.ts";
import { describeExit } from "../restart-policy.ts";
import { CommandQueue } from "./commands.ts";
import { converge, type Converging, nextStartMs } from "./converge.ts";
import type { Wanted } from "./operation.ts";
import { reconcile } from "./reconcile.ts";
import { failureWithinStable } from "./replica-state.ts";
import { ACCEPT_MS, ReplicaTable } from "./replica-table.ts";
import { type Missing, RestartTracker } from "./restart-tracker.ts";
import type { Effect, MachineEvent, ReplicaState, StopReason } from "./types.ts";
import { UnfitReplicas } from "./unfit-replicas.ts";

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
  readonly #unfit: UnfitReplicas;
  readonly #commands: CommandQueue;
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
    this.#unfit = new UnfitReplicas({
      machine: this,
      table: this.#table,
      nowMs: () => this.#nowMs,
      check: ({ generation }) => this.#do({ do: "check", generation }),
      replace: ({ generation }) => this.#commands.addOwn({ kind: "replace", generation }),
      giveUp: (replica, reason, failure) => this.#giveUp(replica, reason, failure),
    });
    this.#commands = new CommandQueue({
      machine: this,
      table: this.#table,
      unfit: this.#unfit,
      want: (next, desired) => {
        this.#spec = next;
        this.#wanted = desired;
      },
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
    return this.#commands.isBusy;
  }

  /** Whether the steps of a command are under way. */
  get isChanging(): boolean {
    return this.#commands.isChanging;
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

  /** When the next `tick` is due; `undefined` if no change depends on time. */
  nextWakeMs(): number | undefined {
    const times = [this.#commands.nextWakeMs()];
    if (!this.isChanging) times.push(nextStartMs(this.#converging));
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
        return this.#commands.add(event.id, event.command);
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
        return this.#unfit.checked(replica, event.failure);
      case "measured":
        return this.#unfit.measured(replica, event.memoryBytes);
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
    this.#commands.failed(replica, "launch", ending);
  }

  #ready(replica: ReplicaState): void {
    if (replica.phase !== "starting") return;
    replica.phase = "running";
    replica.ready = true;
    replica.readyMs = this.#nowMs;
    replica.readyByMs = undefined;
    if (!this.isChanging) this.why = undefined;
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
    if (missing.kind === "completed" && !this.isChanging) this.#table.forget(replica);
    else this.#table.stop(replica, "cleanup");
    if (isFailure)
      this.#commands.failed(replica, "not ready", failureWithinStable(replica, this.#nowMs));
    this.#commands.replanWithout(replica);
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
    if (replica.stopTries >= STOP_TRIES) this.#commands.failed(replica, "not stopped", why);
  }

  #gone(replica: ReplicaState): void {
    if (replica.phase !== "stopping") return;
    const { stopReason, failure = "it was not ready in time" } = replica;
    if (stopReason === "late" || stopReason === "liveness" || stopReason === "memory")
      this.#noteEnd(replica, null, failure);
    this.#table.forget(replica);
  }

  /** Carries out commands, and converges between them. Nothing is decided before the replicas are known. */
  #advance(): void {
    if (!this.#isOpen || !this.#commands.advance(this.#nowMs)) return;
    converge(this.#converging);
  }

  get #converging(): Converging {
    const { spec, wanted, tracker } = this;
    return { spec, wanted, tracker, table: this.#table, nowMs: this.#nowMs };
  }

  /** Replicas with other settings than the rest: a supervisor died while a command was under way. */
  #repair(): void {
    const { spec, wanted } = this;
    this.#commands.addOwn({ kind: "apply", spec, ...wanted });
  }

  #expire(): void {
    for (const replica of this.#table.all) {
      const { phase, readyByMs, acceptByMs, stopAgainMs, spec } = replica;
      if (phase === "starting" && readyByMs !== undefined && readyByMs <= this.#nowMs)
        this.#giveUp(replica, "late", `it was not ready within ${spec.ready.timeoutMs} ms`);
      else if (phase !== "stopping" && acceptByMs !== undefined && acceptByMs <= this.#nowMs)
        this.#giveUp(
          replica,
          "late",
          `it did not begin to accept connections within ${ACCEPT_MS} ms`,
        );
      this.#unfit.check(replica);
      if (phase === "stopping" && stopAgainMs !== undefined && stopAgainMs <= this.#nowMs) {
        replica.stopAgainMs = undefined;
        this.#do({ do: "stop", generation: replica.generation, now: false });
      }
    }
  }

  /** Stops a replica that has failed while its process lives. */
  #giveUp(replica: ReplicaState, reason: StopReason, failure: string): void {
    replica.failure = failure;
    this.#table.stop(replica, reason);
    this.#commands.failed(replica, "not ready", failure);
    this.#commands.replanWithout(replica);
  }

  #nameOf(number: number): string {
    return `${this.#spec.name}.${number}`;
  }

  #do(effect: Effect): void {
    this.#effects.push(effect);
  }
}
