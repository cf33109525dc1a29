import { closeSync, constants, openSync } from "node:fs";

import { hasCode, messageOf, newelError, systemCode } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { sleep } from "../base/timers.ts";
import type { KernelEvent } from "../kernel/api.ts";
import type { ProcessInfo } from "../kernel/process-api.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import { checkByCommand } from "./check-command.ts";
import type { ResolvedAlive, ResolvedService } from "./config/resolved.ts";
import { clearControl, controlPath, letAccept } from "./control.ts";
import { canHold, launchRequest } from "./launch-request.ts";
import type { ReplicaState } from "./machine/types.ts";
import { admitUser } from "./other-users.ts";
import { toWallMs } from "./process-age.ts";
import { formatRunName, type RunName, shownName } from "./process-names.ts";
import { checkAlive, type ProbedProcess, probeOf, probeReady } from "./readiness.ts";
import { type Killed, TreeStop } from "./stop-tree.ts";

/** How long after the end of its tree the kernel may take to report the end of the process itself. */
const END_WAIT_MS = 10_000;
/** How often a replica whose hook runs before its start is looked at for a stop, in milliseconds. */
const HOOK_LOOK_MS = 50;

/** The dependencies of a replica. */
export interface ReplicaParts {
  readonly kernel: KernelClient;
  readonly home: Home;
}

/**
 * One generation of one replica: the effects on it. It decides nothing: its state is
 * the service machine's, which is asked through `look`.
 */
export class Replica {
  readonly run: RunName;
  readonly spec: ResolvedService;
  pid: number | undefined;
  readonly #parts: ReplicaParts;
  readonly #look: () => ReplicaState | undefined;
  readonly #onEnded: (exitCode: number | null) => void;
  readonly #saidReady = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #probing = new AbortController();
  readonly #fifoHolders: number[] = [];
  /** Aborted by a stop without the grace. */
  readonly #hurry = new AbortController();
  #beforeStop: Promise<string | undefined> | undefined;
  /** Whether this supervisor started it. */
  #isLaunched = false;
  #stop: TreeStop | undefined;
  #stopping: Promise<void> | undefined;
  readonly #killed: Killed[] = [];
  #isOver = false;

  /**
   * @param look - returns the machine's state of this generation, while the machine has it
   * @param onEnded - called once, when its process has ended and its output is complete
   */
  constructor(
    run: RunName,
    spec: ResolvedService,
    parts: ReplicaParts,
    look: () => ReplicaState | undefined,
    onEnded: (exitCode: number | null) => void,
  ) {
    this.run = run;
    this.spec = spec;
    this.#parts = parts;
    this.#look = look;
    this.#onEnded = onEnded;
  }

  get slot(): number {
    return this.run.slot;
  }

  get name(): string {
    return shownName(this.run);
  }

  get kernelName(): string {
    return formatRunName(this.run);
  }

  /** When it was started, as the wall clock shows that moment now. */
  get startedMs(): number {
    return toWallMs(this.#look()?.startedMs ?? performance.now());
  }

  get state(): ReplicaState["phase"] {
    return this.#look()?.phase ?? "stopping";
  }

  /** Whether its process has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get ready(): boolean {
    return this.#look()?.ready ?? false;
  }

  /** Has the kernel make the process. With `hold` it listens but accepts nothing until {@link accept}. */
  async launch(hold: boolean): Promise<void> {
    admitUser(this.#parts.home, this.spec, this.kernelName);
    await this.#prepare();
    this.#isLaunched = true;
    const request = launchRequest(this.spec, this.run, {
      hold: hold && canHold(this.spec),
      controlPath: controlPath(this.#parts.home, this.kernelName),
      home: this.#parts.home.directory,
    });
    this.take(await this.#parts.kernel.processes.make(request));
  }

  /** Runs the hook before the start. The machine waits for it before it stops the replica, so a stop ends it here. */
  async #prepare(): Promise<void> {
    if (this.spec.hooks?.beforeStart === undefined) return;
    const isStopping = (): boolean => this.#look()?.phase !== "starting";
    const stopped = new AbortController();
    const timer = setInterval(() => isStopping() && stopped.abort(), HOOK_LOOK_MS);
    const signal = AbortSignal.any([stopped.signal, this.#probing.signal]);
    const why = await this.#hook("beforeStart", signal).finally(() => clearInterval(timer));
    if (why !== undefined) throw newelError("NEWEL_E_HOOK", { replica: this.name, why });
    if (isStopping()) throw newelError("NEWEL_E_CANCELLED", { what: `The start of ${this.name}` });
  }

  /** Runs the hook of a replica that this supervisor started, once it is ready. */
  async afterReady(): Promise<string | undefined> {
    if (!this.#isLaunched || !this.isProbed) return undefined;
    return this.#hook("afterReady", this.#probing.signal);
  }

  /** Runs the hook before the stop, once; a stop without the grace ends it. */
  beforeStop(): Promise<string | undefined> {
    // A replica whose process was never made, or has ended, has nothing to prepare.
    if (this.#isOver || this.pid === undefined) return Promise.resolve(undefined);
    this.#beforeStop ??= this.#hook("beforeStop", this.#hurry.signal);
    return this.#beforeStop;
  }

  async #hook(
    hook: "beforeStart" | "afterReady" | "beforeStop",
    signal: AbortSignal,
  ): Promise<string | undefined> {
    // Loaded with the first hook: few services have one.
    if (this.spec.hooks?.[hook] === undefined) return undefined;
    const { runHook } = await import("./hooks.ts");
    const { spec, run, pid } = this;
    try {
      return await runHook(hook, { spec, run, pid, home: this.#parts.home.directory }, signal);
    } catch (error) {
      // A stop must not fail for the sake of its hook.
      return `its hook ${hook} could not be run: ${messageOf(error).replace(/\.$/, "")}`;
    }
  }

  /** Takes over the kernel's data of the process. */
  take(info: ProcessInfo): void {
    this.pid = info.pid;
    if (info.ready) this.#saidReady.resolve();
    if (info.running) for (const path of info.fifos) this.#holdFifo(path);
  }

  /**
   * Resolves once the process is ready as its service defines it, or when {@link endProbe} was called.
   *
   * @param ageMs - how long the process has been running
   */
  probe(ageMs: number): Promise<void> {
    const { ready } = this.spec;
    const asked = { ...ready, probe: probeOf(ready.probe, this.run.slot) };
    return probeReady(this.#probed(ageMs), asked, this.#parts.kernel, this.#probing.signal);
  }

  /**
   * Checks once whether it is alive.
   *
   * @returns how the check failed, as the rest of a sentence; `undefined` for success
   */
  async checkAlive(alive: ResolvedAlive): Promise<string | undefined> {
    const { slot } = this.run;
    return checkAlive(this.#probed(0), { ...alive, probe: probeOf(alive.probe, slot) });
  }

  #probed(ageMs: number): ProbedProcess {
    const { spec, run } = this;
    const { directory: home } = this.#parts.home;
    return {
      kernelName: this.kernelName,
      controlPath: controlPath(this.#parts.home, this.kernelName),
      ageMs,
      pid: this.pid,
      saidReady: this.#saidReady.promise,
      check: (command, timeoutMs) =>
        checkByCommand(command, { spec, run, home }, { timeoutMs, signal: this.#probing.signal }),
    };
  }

  get isProbed(): boolean {
    return !this.#probing.signal.aborted;
  }

  endProbe(): void {
    this.#probing.abort();
  }

  /** Lets a held process accept connections. */
  async accept(): Promise<void> {
    if (canHold(this.spec) && !this.#isOver)
      await letAccept(controlPath(this.#parts.home, this.kernelName));
  }

  /**
   * Carries out the stop ladder for the whole process tree. Called again, it joins the stop under way.
   *
   * @param now - SIGKILL without the rest of the grace, for a stop under way too
   * @throws NEWEL_E_NOT_STOPPED when a process outlives SIGKILL
   */
  stop(now: boolean): Promise<void> {
    this.#stop ??= new TreeStop(this.#parts.kernel, this.kernelName, {
      ...this.spec.stop,
      ended: this.#ended.promise,
    });
    if (now) {
      this.#hurry.abort();
      this.#stop.now();
    }
    this.#stopping ??= this.#carryOut(this.#stop);
    return this.#stopping;
  }

  /** The processes that had to be killed, once: the first of several calls of {@link stop} that ends reports them. */
  takeKilled(): readonly Killed[] {
    return this.#killed.splice(0);
  }

  /** Signals the process itself or its group. */
  async signal(signal: string, group: boolean): Promise<readonly Killed[]> {
    return this.#signal(signal, group ? "group" : "process");
  }

  /** Takes an event of the kernel about this process. */
  hear(event: KernelEvent): void {
    if (event.type === "ready") this.#saidReady.resolve();
    // Only when its output is complete too, so that its last lines can be shown.
    if (event.type === "closed") this.end(event.exitCode ?? null);
  }

  /** Its process has ended. */
  end(exitCode: number | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearControl(controlPath(this.#parts.home, this.kernelName));
    this.#ended.resolve();
    this.#onEnded(exitCode);
  }

  /** Releases the files and timers that this program holds for the replica. */
  close(): void {
    this.endProbe();
    for (const fd of this.#fifoHolders.splice(0)) closeSync(fd);
  }

  async #carryOut(stop: TreeStop): Promise<void> {
    try {
      this.#killed.push(...(await stop.run()));
      // The kernel reports the end of the process once its output is complete.
      if (this.pid !== undefined) await this.#endedWithin(END_WAIT_MS);
    } finally {
      this.#stopping = undefined;
    }
  }

  async #signal(signal: string, scope: "process" | "group"): Promise<readonly Killed[]> {
    try {
      return (await this.#parts.kernel.processes.signal(this.kernelName, signal, scope)).signalled;
    } catch (error) {
      if (hasCode(error, "NEWEL_E_NOT_FOUND")) return [];
      throw error;
    }
  }

  async #endedWithin(limitMs: number): Promise<void> {
    const abort = new AbortController();
    await Promise.race([this.#ended.promise, sleep(limitMs, abort.signal)]);
    abort.abort();
  }

  /** A second holder in addition to the kernel: unread output outlives the kernel's death with it. */
  #holdFifo(path: string): void {
    try {
      this.#fifoHolders.push(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
    } catch (error) {
      // The process may have ended, its output been read and the FIFO removed.
      if (systemCode(error) !== "ENOENT") throw error;
    }
  }
}
