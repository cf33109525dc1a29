import { closeSync, constants, openSync } from "node:fs";

import { hasCode, systemCode } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { sleep } from "../base/timers.ts";
import type { KernelEvent, ProcessInfo } from "../kernel/api.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { ResolvedService } from "./config/resolved.ts";
import { clearControl, controlPath, letAccept } from "./control.ts";
import { canHold, launchRequest } from "./launch-request.ts";
import type { ReplicaState } from "./machine/types.ts";
import { toWallMs } from "./process-age.ts";
import { formatRunName, type RunName, shownName } from "./process-names.ts";
import { probeReady } from "./readiness.ts";
import { type Killed, TreeStop } from "./stop-tree.ts";

/** How long after the end of its tree the kernel may take to report the end of the process itself. */
const END_WAIT_MS = 10_000;

/** What a replica works with. */
export interface ReplicaParts {
  readonly kernel: KernelClient;
  readonly home: Home;
}

/**
 * One generation of one replica: everything that is done to it. It decides nothing: its state is
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
  #stop: TreeStop | undefined;
  #stopping: Promise<readonly Killed[]> | undefined;
  #isOver = false;

  /**
   * @param look - the machine's state of this generation, while it has one
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

  get ready(): boolean {
    return this.#look()?.ready ?? false;
  }

  /** Has the kernel make the process. With `hold` it listens but accepts nothing until {@link accept}. */
  async launch(hold: boolean): Promise<void> {
    const request = launchRequest(this.spec, this.run, {
      hold: hold && canHold(this.spec),
      controlPath: controlPath(this.#parts.home, this.kernelName),
      home: this.#parts.home.directory,
    });
    this.take(await this.#parts.kernel.processes.make(request));
  }

  /** Takes over what the kernel says of the process. */
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
    const probed = {
      kernelName: this.kernelName,
      controlPath: controlPath(this.#parts.home, this.kernelName),
      ageMs,
      pid: this.pid,
      saidReady: this.#saidReady.promise,
    };
    return probeReady(probed, this.spec.ready, this.#parts.kernel, this.#probing.signal);
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
   * @returns the processes that had to be killed; for a call that joined, none
   * @throws NEWEL_E_NOT_STOPPED when a process outlives SIGKILL
   */
  stop(now: boolean): Promise<readonly Killed[]> {
    this.#stop ??= new TreeStop(this.#parts.kernel, this.kernelName, {
      ...this.spec.stop,
      ended: this.#ended.promise,
    });
    if (now) this.#stop.now();
    if (this.#stopping !== undefined) return this.#stopping.then(() => []);
    this.#stopping = this.#carryOut(this.#stop);
    return this.#stopping;
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

  /** Releases what this program holds of it. */
  close(): void {
    this.endProbe();
    for (const fd of this.#fifoHolders.splice(0)) closeSync(fd);
  }

  async #carryOut(stop: TreeStop): Promise<readonly Killed[]> {
    try {
      const killed = await stop.run();
      // The kernel reports the end of the process once its output is complete.
      if (this.pid !== undefined) await this.#endedWithin(END_WAIT_MS);
      return killed;
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
