import { hasCode, messageOf, newelError } from "../base/errors.ts";
import type { KernelEvent, ProcessInfo } from "../kernel/api.ts";
import { type Absence, Absences } from "./absences.ts";
import type { LastExit, ServiceState } from "./api.ts";
import type { ResolvedService } from "./config/resolved.ts";
import type { PresentService, Step } from "./plan.ts";
import { isOfHash, type RunName } from "./process-names.ts";
import { failure, type Report } from "./progress.ts";
import { Replica, type ReplicaParts } from "./replica.ts";
import { describeExit } from "./restart-policy.ts";
import { performSteps, type RolloutTarget } from "./rollout.ts";

const EXITS_KEPT = 10;
/** Ended runs whose output stays readable. */
const RUNS_KEPT = 5;
const LAST_LINES = 20;

/** What a service works with. */
export interface ServiceParts extends Omit<ReplicaParts, "changed"> {
  readonly app: string;
  /** The number of the app's next run. */
  readonly nextRun: () => number;
  readonly changed: (service: Service) => void;
  readonly log: (text: string) => void;
}

/**
 * One service: what is wanted of it and what there is. Verbs run one after the other; `stop` breaks
 * off what runs. Between verbs the restart policy brings back what ended by itself.
 */
export class Service {
  spec: ResolvedService;
  /** Whether it is to run, and how many copies. */
  wanted: { up: boolean; replicas: number };
  why: string | undefined;
  sinceMs: number = Date.now();
  readonly lastExits: LastExit[] = [];
  readonly #parts: ServiceParts;
  /** Living copies, oldest run first. */
  readonly #replicas: Replica[] = [];
  readonly #absent = new Absences({
    again: (slot) => this.#again(slot),
    givenUp: (slot, why) => {
      this.why = why;
      this.#parts.log(`${this.name}.${slot} is given up: ${why}`);
    },
  });
  readonly #endedRuns: string[] = [];
  readonly #pending = new Set<AbortController>();
  #queue: Promise<unknown> = Promise.resolve();
  #shownState: ServiceState = "stopped";

  constructor(
    spec: ResolvedService,
    wanted: { up: boolean; replicas: number },
    parts: ServiceParts,
  ) {
    this.spec = spec;
    this.wanted = wanted;
    this.#parts = parts;
  }

  get name(): string {
    return this.spec.name;
  }

  get replicas(): readonly Replica[] {
    return this.#replicas;
  }

  get absences(): Iterable<[number, Absence]> {
    return this.#absent;
  }

  get restarts(): number {
    return this.#absent.restarts;
  }

  get lastRestartMs(): number | undefined {
    return this.#absent.lastRestartMs;
  }

  /** Kernel names of all runs whose output is kept, oldest first. */
  get runs(): readonly string[] {
    return [...this.#endedRuns, ...this.#replicas.map(({ kernelName }) => kernelName)];
  }

  get readyCount(): number {
    return this.#replicas.filter(({ ready }) => ready).length;
  }

  /** Every copy ended by itself as it should. */
  get completed(): boolean {
    const { kinds } = this.#absent;
    return (
      this.#replicas.length === 0 && kinds.length > 0 && kinds.every((kind) => kind === "done")
    );
  }

  get state(): ServiceState {
    const states = this.#replicas.map(({ state }) => state);
    if (states.length > 0) {
      if (states.includes("running")) return "running";
      return states.includes("starting") ? "starting" : "stopping";
    }
    const { kinds } = this.#absent;
    if (kinds.includes("backoff")) return "backoff";
    return kinds.includes("failed") ? "failed" : "stopped";
  }

  /** For the plan of `up`. */
  present(): PresentService {
    const copies = this.#replicas
      .filter(({ state }) => state !== "stopping")
      .map(({ slot, run }) => ({ slot, current: isOfHash(run, this.spec.hash) }));
    return { spec: this.spec, up: this.wanted.up, replicas: this.wanted.replicas, copies };
  }

  /** Living copies by number, oldest run first. */
  slots(): number[] {
    return this.#replicas.filter(({ state }) => state !== "stopping").map(({ slot }) => slot);
  }

  /**
   * Carries out a plan made when its turn comes.
   *
   * @param plan - reads the present state; may change what is wanted
   * @param interrupt - break off the verbs before it instead of waiting for them
   * @returns whether anything was done
   */
  operate(plan: () => readonly Step[], report: Report, interrupt = false): Promise<boolean> {
    if (interrupt) for (const controller of this.#pending) controller.abort();
    const controller = new AbortController();
    this.#pending.add(controller);
    const run = this.#queue.then(() => this.#perform(plan, report, controller));
    this.#queue = run.catch(() => {});
    return run;
  }

  /** Takes over a process of an earlier supervisor. */
  adopt(run: RunName, info: ProcessInfo): void {
    if (!info.running) {
      this.#endedRuns.push(info.name);
      return;
    }
    const replica = this.#add(
      new Replica(run, this.spec, { ...this.#parts, changed: this.#changed }),
    );
    replica.adopt(info);
    this.#bringUp(replica, async () => replica.accept());
  }

  /** After every process was adopted: brings back what ended meanwhile. */
  settle(): void {
    const excess = this.#replicas.length - this.wanted.replicas;
    if (this.wanted.up && excess > 0) {
      // A reload was under way when the last supervisor died: the proved ones stay.
      this.#parts.log(`${this.name}: ${excess} processes too many, the newest are stopped`);
      for (const replica of this.#replicas.slice(-excess)) this.#stopQuietly(replica);
    }
    this.#converge();
    this.#changed();
    // It has been in this state for as long as its oldest process.
    this.sinceMs = Math.min(this.sinceMs, ...this.#replicas.map(({ startedMs }) => startedMs));
  }

  hear(event: KernelEvent): void {
    this.#replicas.find(({ kernelName }) => kernelName === event.name)?.hear(event);
  }

  /** Resolves once `test` holds; checked whenever something changes. */
  async until(test: () => boolean, signal: AbortSignal): Promise<void> {
    while (!test() && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiters.add(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  readonly #waiters = new Set<() => void>();

  async #perform(
    plan: () => readonly Step[],
    report: Report,
    controller: AbortController,
  ): Promise<boolean> {
    this.#absent.clear();
    try {
      if (controller.signal.aborted)
        throw newelError("NEWEL_E_CANCELLED", { what: `The work on ${this.name}` });
      const target = {
        service: this.name,
        begin: (slot: number) => this.#begin(slot),
        find: (slot: number) => this.#replicas.find((replica) => replica.slot === slot),
        report,
      };
      const done = await this.#performPlan(plan(), target, controller.signal);
      this.why = undefined;
      return done;
    } catch (error) {
      this.why = messageOf(error);
      // Too late is the same as ended: the restart policy goes on from there.
      const late = this.#replicas.filter(({ state }) => state === "starting");
      if (!controller.signal.aborted) for (const replica of late) this.#stopQuietly(replica, true);
      throw error;
    } finally {
      this.#pending.delete(controller);
      if (this.#pending.size === 0) this.#converge();
      this.#changed();
    }
  }

  async #performPlan(
    steps: readonly Step[],
    target: RolloutTarget,
    signal: AbortSignal,
  ): Promise<boolean> {
    try {
      return await performSteps(steps, target, signal);
    } catch (error) {
      // Whatever is started with a hold has old processes beside it that go on.
      const reloading = steps.some((step) => step.do === "start" && step.hold);
      if (!reloading || hasCode(error, "NEWEL_E_CANCELLED")) throw error;
      throw newelError(
        "NEWEL_E_RELOAD_FAILED",
        { service: this.name, why: messageOf(error).replace(/\.$/, "") },
        error,
      );
    }
  }

  #begin(slot: number): Replica {
    const run: RunName = {
      app: this.#parts.app,
      service: this.name,
      slot,
      run: this.#parts.nextRun(),
      hash: this.spec.hash,
    };
    return this.#add(new Replica(run, this.spec, { ...this.#parts, changed: this.#changed }));
  }

  #add(replica: Replica): Replica {
    this.#replicas.push(replica);
    void replica.ended.then(() => this.#gone(replica));
    return replica;
  }

  #gone(replica: Replica): void {
    this.#replicas.splice(this.#replicas.indexOf(replica), 1);
    const exitCode = replica.exitCode ?? null;
    const { name, pid, asked, slot } = replica;
    if (pid !== undefined)
      this.lastExits.push({ process: name, pid, atMs: Date.now(), exitCode, asked });
    this.lastExits.splice(0, this.lastExits.length - EXITS_KEPT);
    this.#endedRuns.push(replica.kernelName);
    this.#dropOldRuns();
    if (!asked) {
      this.#absent.add(slot, exitCode, this.spec.restart, Date.now() - replica.startedMs);
      this.why = `${name} ended with ${describeExit(exitCode)}`;
      this.#parts.log(`${this.why} (pid ${pid ?? "none"})`);
    }
    if (this.#pending.size === 0) this.#converge();
    this.#changed();
  }

  /** Lets the restart policy decide about every copy that ended, and about those that are missing. */
  #converge(): void {
    if (!this.wanted.up) {
      this.#absent.clear();
      return;
    }
    const policy = this.spec.restart;
    this.#absent.decideAll(policy, () => this.#count() < this.wanted.replicas);
    for (let slot = 1; this.#count() < this.wanted.replicas; slot += 1) {
      const taken =
        this.#absent.has(slot) || this.#replicas.some((replica) => replica.slot === slot);
      if (!taken) this.#absent.decide(slot, null, policy);
    }
  }

  #count(): number {
    return this.#replicas.filter(({ state }) => state !== "stopping").length + this.#absent.size;
  }

  #again(slot: number): void {
    const replica = this.#begin(slot);
    this.#bringUp(replica, async () => replica.start(false));
  }

  /** Starts or takes over outside a verb: one that does not get ready counts as ended. */
  #bringUp(replica: Replica, begin: () => Promise<void>): void {
    begin()
      .then(() => replica.waitReady(new AbortController().signal))
      .then(() => replica.accept())
      .then(() => (this.why = undefined))
      .catch((error: unknown) => {
        this.#parts.log(`${replica.name}: ${messageOf(error)}`);
        if (!replica.alive || replica.asked) return;
        this.why = messageOf(error);
        this.#stopQuietly(replica, true);
      });
  }

  #stopQuietly(replica: Replica, countsAsEnd = false): void {
    replica
      .stop()
      .then(() => {
        if (!countsAsEnd) return;
        this.#absent.add(replica.slot, null, this.spec.restart);
        if (this.#pending.size === 0) this.#converge();
      })
      .catch((error: unknown) => this.#parts.log(`${replica.name}: ${messageOf(error)}`));
  }

  #dropOldRuns(): void {
    const old = this.#endedRuns.splice(
      0,
      this.#endedRuns.length - RUNS_KEPT - this.wanted.replicas,
    );
    for (const name of old) this.#removeRun(name);
  }

  #removeRun(name: string): void {
    this.#parts.kernel.processes.remove(name).catch((error: unknown) => {
      if (!hasCode(error, "NEWEL_E_NOT_FOUND"))
        this.#parts.log(`removing ${name}: ${messageOf(error)}`);
    });
  }

  readonly #changed = (): void => {
    if (this.state !== this.#shownState) {
      this.#shownState = this.state;
      this.sinceMs = Date.now();
    }
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
    this.#parts.changed(this);
  };

  /** Reports a failed verb with the last lines of the process it failed on. */
  async reportFailure(error: unknown, report: Report): Promise<void> {
    const newest = this.lastExits.findLast(({ asked }) => !asked) ?? this.lastExits.at(-1);
    const run = this.#endedRuns.at(-1);
    const lines =
      run === undefined || hasCode(error, "NEWEL_E_CANCELLED") ? [] : await this.lastLines(run);
    report(failure(this.name, error, newest?.process, lines));
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

  /** Lets go: timers end, processes run on. */
  close(): void {
    this.#absent.clear();
  }

  /** Forgets every kept run; for a service that is gone. */
  forgetRuns(): void {
    for (const name of this.#endedRuns.splice(0)) this.#removeRun(name);
  }
}
