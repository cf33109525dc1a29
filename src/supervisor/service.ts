import { messageOf } from "../base/errors.ts";
import type { KernelEvent } from "../kernel/api.ts";
import type { LastExit, ServiceState } from "./api.ts";
import type { ResolvedService } from "./config/resolved.ts";
import { type Completed, EndedRuns } from "./ended-runs.ts";
import { type FoundProcess, toFoundReplica } from "./found-process.ts";
import type { Missing } from "./machine/restart-tracker.ts";
import { ServiceMachine } from "./machine/service-machine.ts";
import { describeStep } from "./machine/steps.ts";
import type { Command, Effect, MachineEvent } from "./machine/types.ts";
import { ListenRemarks } from "./listen-remarks.ts";
import { ServiceCounts } from "./metrics/service-counts.ts";
import { PendingCommands } from "./pending-commands.ts";
import type { PresentService } from "./plan.ts";
import { toWallMs } from "./process-age.ts";
import type { RunName } from "./process-names.ts";
import { failure, killedEvent, type Report } from "./progress.ts";
import type { Replica, ReplicaParts } from "./replica.ts";
import { ReplicaEffects } from "./replica-effects.ts";
import { serviceState } from "./service-state.ts";
import { Waiters } from "./waiters.ts";

const EXITS_KEPT = 10;
const LAST_LINES = 20;
/** The longest time that a timer of Node.js can wait, in milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The dependencies of a service. */
export interface ServiceParts extends ReplicaParts {
  readonly app: string;
  /** The number of the app's next run. */
  readonly nextRun: () => number;
  readonly changed: (service: Service) => void;
  /** Whether another living replica of the app has a socket, by its name in the kernel. */
  readonly isServed: (socket: string, except: Replica) => boolean;
  readonly log: (text: string) => void;
}

/** The past of a service as an earlier supervisor stored it. */
export interface ServicePast {
  readonly completed: readonly Completed[];
  readonly exits: readonly LastExit[];
}

/**
 * One service: has the decisions of its {@link ServiceMachine} carried out, and reports their results to the
 * machine. The machine makes every decision.
 */
export class Service {
  /** The newest last; of an earlier supervisor those that newel caused. */
  readonly lastExits: LastExit[];
  readonly counts: ServiceCounts = new ServiceCounts();
  readonly #parts: ServiceParts;
  readonly #machine: ServiceMachine;
  readonly #effects: ReplicaEffects;
  readonly #ended: EndedRuns;
  readonly #commands: PendingCommands;
  readonly #waiters = new Waiters();
  readonly #remarks = new ListenRemarks();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** Since when the service has been in its state, by the monotonic clock. */
  #sinceMs: number = performance.now();
  #shownState: ServiceState = "stopped";

  constructor(
    spec: ResolvedService,
    wanted: { readonly up: boolean; readonly replicas: number },
    parts: ServiceParts,
    { completed, exits }: ServicePast = { completed: [], exits: [] },
  ) {
    this.#parts = parts;
    this.lastExits = [...exits];
    this.#ended = new EndedRuns(parts, completed);
    this.#commands = new PendingCommands({
      name: () => this.name,
      explain: (generation, why) => this.#remarks.explain(generation, why),
      runOf: (generation) =>
        this.#effects.get(generation)?.kernelName ?? this.#ended.nameOf(generation),
    });
    this.#machine = new ServiceMachine(spec, wanted, {
      nextGeneration: parts.nextRun,
      random: Math.random,
    });
    this.#effects = new ReplicaEffects(parts, {
      machine: this.#machine,
      ended: this.#ended,
      counts: this.counts,
      specOf: (run) => this.#specOf(run),
      dispatch: (event) => this.#dispatch(event),
      launchFailed: (generation, error) => this.#commands.launchFailed(generation, error),
      killed: (replica, killed) =>
        this.#commands.reportAll(killedEvent(this.name, replica.kernelName, killed)),
    });
  }

  /** The present settings: those of the last command that succeeded. */
  get spec(): ResolvedService {
    return this.#machine.spec;
  }

  /** The desired state: running or not, and the number of replicas. */
  get wanted(): { readonly up: boolean; readonly replicas: number } {
    return this.#machine.wanted;
  }

  /** The reason why the service is not in its desired state, or the message of the last failed command. */
  get why(): string | undefined {
    return this.#machine.why;
  }

  /** Since when the service has been in its state, as the wall clock shows that moment now. */
  get sinceMs(): number {
    return toWallMs(this.#sinceMs);
  }

  get name(): string {
    return this.spec.name;
  }

  get replicas(): readonly Replica[] {
    return this.#effects.all;
  }

  /** Wanted replicas that are missing; times are by the clock of `performance.now()`. */
  get missing(): readonly (readonly [number, Missing])[] {
    return this.#machine.tracker.entries();
  }

  get restarts(): number {
    return this.#machine.tracker.restarts;
  }

  /** When it was last restarted, by the wall clock. */
  get lastRestartMs(): number | undefined {
    const { lastRestartMs } = this.#machine.tracker;
    return lastRestartMs === undefined ? undefined : toWallMs(lastRestartMs);
  }

  /** Kernel names of all runs whose output is kept, oldest first. */
  get runs(): readonly string[] {
    return [...this.#ended.names, ...this.replicas.map(({ kernelName }) => kernelName)];
  }

  /** The kernel names of ended generations, whose descendants may still run. */
  get endedRuns(): readonly string[] {
    return this.#ended.names;
  }

  get readyCount(): number {
    return this.#machine.replicas.filter(({ ready }) => ready).length;
  }

  /** Every replica completed its work. */
  get completed(): boolean {
    return this.state === "completed";
  }

  /** The replicas that completed their work, for the next supervisor. */
  get completedRuns(): readonly Completed[] {
    return this.#ended.completed(this.missing);
  }

  get state(): ServiceState {
    return serviceState(this.#machine.replicas, this.missing);
  }

  /** For the plan of `up`. */
  present(): PresentService {
    const { spec, wanted } = this;
    const copies = this.#machine.replicas
      .filter(({ phase }) => phase !== "stopping")
      .map((replica) => ({ slot: replica.number, current: replica.spec.hash === spec.hash }));
    const completedReplicas = this.missing.flatMap(([number, missing]) =>
      missing.kind === "completed" ? [{ number, generation: missing.generation }] : [],
    );
    return { spec, ...wanted, copies, completed: this.completed, completedReplicas };
  }

  /**
   * Carries out a command after those before it; a `stop` takes their place.
   *
   * @returns whether anything was done
   * @throws NEWEL_E_NOT_READY, NEWEL_E_RELOAD_FAILED, NEWEL_E_CANCELLED, NEWEL_E_NOT_STOPPED, or the
   * kernel's error when a process could not be made
   */
  command(command: Command, report: Report): Promise<boolean> {
    const { id, done } = this.#commands.add(report);
    this.#dispatch({ type: "command", id, command });
    return done;
  }

  /**
   * Compares the service with the kernel's processes of it: adopts processes that it does not know, and
   * takes missing ones for ended. Nothing is decided before the first call.
   *
   * @param rebooted - the processes that ended did so with the machine
   */
  reconcile(found: readonly FoundProcess[], rebooted: boolean): void {
    for (const { run, info } of found) {
      const known = this.#effects.get(run.run);
      if (known !== undefined) {
        if (info.running) known.take(info);
        else known.end(info.exitCode ?? null);
      } else if (info.running) this.#effects.make(run, this.#specOf(run)).take(info);
      else this.#ended.add(info.name);
    }
    const replicas = found.map((each) => toFoundReplica(each, this.#specOf(each.run), this.spec));
    replicas.push(...this.#ended.forgotten(found, this.spec));
    this.#dispatch({ type: "found", replicas, rebooted });
    // It has been in this state for as long as its oldest process.
    const starts = this.#machine.replicas.map(({ startedMs }) => startedMs);
    this.#sinceMs = Math.min(this.#sinceMs, ...starts);
  }

  hear(event: KernelEvent, run: RunName): void {
    this.#remarks.hear(event, run.run, this.spec);
    this.#effects.get(run.run)?.hear(event);
  }

  /** Resolves once `test` holds; checked whenever something changes. */
  until(test: () => boolean, signal: AbortSignal): Promise<void> {
    return this.#waiters.until(test, signal);
  }

  /** Reports a failed command with the last lines of the replica that failed. */
  async reportFailure(error: unknown, report: Report): Promise<void> {
    const on = this.#commands.failedOn(error);
    const lines = on === undefined ? [] : await this.lastLines(on.run);
    report(failure(this.name, error, on?.name, lines));
  }

  /** The last lines of a run, both streams together. */
  async lastLines(run: string | undefined = this.runs.at(-1)): Promise<readonly string[]> {
    if (run === undefined) return [];
    try {
      return await this.#parts.kernel.processes.tail(run, LAST_LINES);
    } catch (error) {
      return [`(its output cannot be read: ${messageOf(error)})`];
    }
  }

  /** Releases the service: timers end, processes keep running. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const replica of this.#effects.all) replica.close();
  }

  /** Removes every kept generation; for a service that was removed. */
  forgetRuns(): void {
    this.#ended.forgetAll();
  }

  /** The settings of a process that this supervisor did not start: only their hash is known. */
  #specOf({ hash }: RunName): ResolvedService {
    return this.spec.hash.startsWith(hash) ? this.spec : { ...this.spec, hash };
  }

  #dispatch(event: MachineEvent): void {
    if (this.#isClosed) return;
    for (const effect of this.#machine.handle(event, performance.now())) this.#perform(effect);
    this.#setTimer();
    this.#changed();
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    const wakeMs = this.#machine.nextWakeMs();
    if (wakeMs === undefined) return;
    const waitMs = Math.min(LONGEST_TIMER_MS, Math.max(0, Math.ceil(wakeMs - performance.now())));
    this.#timer = setTimeout(() => this.#dispatch({ type: "tick" }), waitMs);
  }

  #perform(effect: Effect): void {
    switch (effect.do) {
      case "launch":
        return this.#effects.launch(effect);
      case "probe":
        return this.#effects.probe(effect.generation);
      case "check":
        return this.#effects.check(effect.generation);
      case "accept":
        return this.#effects.accept(effect.generation);
      case "stop":
        return this.#effects.stop(effect.generation, effect.now);
      case "forget":
        return this.#forget(effect);
      case "report":
        return this.#commands.report(effect.id, {
          type: "step",
          service: this.name,
          text: describeStep(effect.step, this.name, this.spec.listen.length > 0),
        });
      case "finish":
        return this.#commands.finish(effect);
    }
  }

  /** Takes a sample of the memory of a replica's process tree. */
  measured(generation: number, memoryBytes: number): void {
    this.#dispatch({ type: "measured", generation, memoryBytes });
  }

  #forget(effect: Extract<Effect, { do: "forget" }>): void {
    const { generation, exitCode, asked, failure: why, reason } = effect;
    const replica = this.#effects.take(generation);
    if (replica === undefined) return;
    const { name, pid, kernelName } = replica;
    if (pid !== undefined) {
      this.counts.ended({ exitCode, asked, failure: why });
      this.lastExits.push({
        process: name,
        pid,
        atMs: Date.now(),
        exitCode,
        asked,
        kernelName,
        ...(why === undefined ? {} : { why }),
        ...(reason === undefined || reason === "cleanup" ? {} : { reason }),
      });
      this.lastExits.splice(0, this.lastExits.length - EXITS_KEPT);
      this.#ended.add(kernelName);
      void this.#ended.dropOld(this.wanted.replicas);
    }
    if (!asked) this.#parts.log(`${name} (pid ${pid ?? "none"}): ${why ?? "it has completed"}`);
  }

  #changed(): void {
    if (this.state !== this.#shownState) {
      this.#shownState = this.state;
      this.#sinceMs = performance.now();
    }
    this.#waiters.wake();
    this.#parts.changed(this);
  }
}
