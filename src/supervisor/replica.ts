import { closeSync, constants, openSync } from "node:fs";

import { hasCode, systemCode } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { sleep } from "../base/timers.ts";
import type { KernelEvent, ProcessInfo } from "../kernel/api.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { ResolvedService } from "./config/resolved.ts";
import { controlPath, letAccept } from "./control.ts";
import { canHold, launchRequest } from "./launch-request.ts";
import type { ReplicaState } from "./machine/types.ts";
import { formatRunName, type RunName, shownName } from "./process-names.ts";
import { probeReady } from "./readiness.ts";

/** How long descendants that outlive their process have between SIGTERM and SIGKILL. */
const LEFTOVER_GRACE_MS = 1_000;
const LEFTOVER_POLL_MS = 25;
/** SIGKILL cannot be refused, only be slow (a disk that hangs). */
const KILL_WAIT_MS = 10_000;

/** What a replica works with. */
export interface ReplicaParts {
  readonly kernel: KernelClient;
  readonly home: Home;
}

/** A process that had to be killed. */
export interface Killed {
  readonly pid: number;
  readonly command: string;
}

/**
 * One generation of one replica: everything that is done to it. It decides nothing: its state is
 * the service machine's, which is asked through `look`.
 */
export class Replica {
  readonly run: RunName;
  readonly spec: ResolvedService;
  pid: number | undefined;
  /** By the wall clock, for showing it. */
  startedMs: number = Date.now();
  readonly #parts: ReplicaParts;
  readonly #look: () => ReplicaState | undefined;
  readonly #onEnded: (exitCode: number | null) => void;
  readonly #saidReady = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #probing = new AbortController();
  readonly #fifoHolders: number[] = [];
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
    this.startedMs = info.startedMs;
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
    if (canHold(this.spec)) await letAccept(controlPath(this.#parts.home, this.kernelName));
  }

  /**
   * The stop ladder: the stop signal, the grace, SIGKILL to the group; then the descendants.
   *
   * @param now - SIGKILL without the grace
   * @returns the processes that had to be killed
   */
  async stop(now: boolean): Promise<readonly Killed[]> {
    const killed: Killed[] = [];
    if (!this.#isOver && !now) {
      // A shell passes no signal on to what it runs; other programs end their children themselves.
      await this.signal(this.spec.stop.signal, this.spec.command.kind === "shell");
      await this.#endedWithin(this.spec.stop.graceMs);
    }
    if (!this.#isOver) {
      killed.push(...(await this.signal("SIGKILL", true)));
      await this.#endedWithin(KILL_WAIT_MS);
    }
    killed.push(...(await this.#clearLeftovers()));
    return killed;
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
    this.#ended.resolve();
    this.#onEnded(exitCode);
  }

  /** Releases what this program holds of it. */
  close(): void {
    this.endProbe();
    for (const fd of this.#fifoHolders.splice(0)) closeSync(fd);
  }

  /** Descendants that outlive the process itself: asked once, then killed. */
  async #clearLeftovers(): Promise<readonly Killed[]> {
    const left = await this.#signal("SIGTERM", "tree");
    if (left.length === 0) return [];
    for (let waitedMs = 0; waitedMs < LEFTOVER_GRACE_MS; waitedMs += LEFTOVER_POLL_MS) {
      await sleep(LEFTOVER_POLL_MS);
      if ((await this.#signal("0", "tree")).length === 0) return left;
    }
    // Again until none is found: one may have forked in the meantime.
    const deadline = performance.now() + KILL_WAIT_MS;
    while ((await this.#signal("SIGKILL", "tree")).length > 0 && performance.now() < deadline)
      await sleep(LEFTOVER_POLL_MS);
    return left;
  }

  async #signal(signal: string, scope: "process" | "group" | "tree"): Promise<readonly Killed[]> {
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
