import { closeSync, constants, openSync } from "node:fs";

import { hasCode, newelError, systemCode } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { nextState, type Transitions } from "../base/machine.ts";
import { sleep } from "../base/timers.ts";
import type { KernelEvent, ProcessInfo } from "../kernel/api.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { ResolvedService } from "./config/resolved.ts";
import { controlPath, letAccept } from "./control.ts";
import { canHold, launchRequest } from "./launch-request.ts";
import { formatRunName, type RunName, shownName } from "./process-names.ts";
import { probeReady } from "./readiness.ts";
import { describeExit } from "./restart-policy.ts";

export type ReplicaState = "starting" | "running" | "stopping" | "stopped";
type ReplicaEvent = "ready" | "stop" | "ended";

const TRANSITIONS: Transitions<ReplicaState, ReplicaEvent> = {
  starting: { ready: "running", stop: "stopping", ended: "stopped" },
  running: { ready: "running", stop: "stopping", ended: "stopped" },
  stopping: { stop: "stopping", ready: "stopping", ended: "stopped" },
  stopped: {},
};

/** How long descendants that outlive their process have between SIGTERM and SIGKILL. */
const LEFTOVER_GRACE_MS = 1_000;
const LEFTOVER_POLL_MS = 25;
/** SIGKILL cannot be refused, only be slow (a disk that hangs). */
const KILL_WAIT_MS = 10_000;

/** What a replica works with. */
export interface ReplicaParts {
  readonly kernel: KernelClient;
  readonly home: Home;
  /** Something shown has changed. */
  readonly changed: () => void;
}

/** A process that had to be killed. */
export interface Killed {
  readonly pid: number;
  readonly command: string;
}

/** One run of one copy of a service: started, watched until ready, drained, gone. It never starts again. */
export class Replica {
  readonly run: RunName;
  readonly spec: ResolvedService;
  state: ReplicaState = "starting";
  ready = false;
  pid: number | undefined;
  startedMs: number = Date.now();
  exitCode: number | null | undefined;
  /** Whether newel asked it to stop. */
  asked = false;
  /** Resolves when the process is gone and its output is read. */
  readonly ended: Promise<void>;
  readonly #parts: ReplicaParts;
  readonly #saidReady: Promise<void>;
  readonly #fifoHolders: number[] = [];
  #resolveEnded: () => void = () => {};
  #resolveSaidReady: () => void = () => {};

  constructor(run: RunName, spec: ResolvedService, parts: ReplicaParts) {
    this.run = run;
    this.spec = spec;
    this.#parts = parts;
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
    this.#saidReady = new Promise((resolve) => (this.#resolveSaidReady = resolve));
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

  get alive(): boolean {
    return this.state !== "stopped";
  }

  /** Starts the process. With `hold` it listens but accepts nothing until {@link accept}. */
  async start(hold: boolean): Promise<void> {
    const request = launchRequest(this.spec, this.run, {
      hold: hold && canHold(this.spec),
      controlPath: controlPath(this.#parts.home, this.kernelName),
      home: this.#parts.home.directory,
    });
    try {
      this.#take(await this.#parts.kernel.processes.make(request));
    } catch (error) {
      this.#finish(null);
      throw error;
    }
  }

  /** Takes over a process that was started before this supervisor. */
  adopt(info: ProcessInfo): void {
    this.#take(info);
    if (info.ready) this.#resolveSaidReady();
    if (!info.running) {
      this.exitCode = info.exitCode ?? null;
      this.#finish(this.exitCode);
    }
  }

  /**
   * Resolves once the process is ready as its service defines it.
   *
   * @throws NEWEL_E_NOT_READY when it ended, or took too long; NEWEL_E_CANCELLED by `signal`
   */
  async waitReady(signal: AbortSignal): Promise<void> {
    const { ready } = this.spec;
    const abort = new AbortController();
    const fail = (why: string): never => {
      throw newelError("NEWEL_E_NOT_READY", { name: this.name, service: this.spec.name, why });
    };
    const probed = {
      kernelName: this.kernelName,
      controlPath: controlPath(this.#parts.home, this.kernelName),
      startedMs: this.startedMs,
      saidReady: this.#saidReady,
    };
    try {
      await Promise.race([
        probeReady(probed, ready, this.#parts.kernel, abort.signal),
        this.ended.then(() => {
          // A task that is done needs no further readiness.
          if (this.exitCode === 0 && this.spec.restart.policy !== "always") return;
          fail(`it ended with ${describeExit(this.exitCode ?? null)}`);
        }),
        sleep(ready.timeoutMs, abort.signal).then(() => {
          if (!abort.signal.aborted) fail(`it was not within ${ready.timeoutMs} ms`);
          return new Promise<void>(() => {});
        }),
        cancelled(signal, abort.signal),
      ]);
    } finally {
      abort.abort();
    }
    this.#step("ready");
    this.ready = this.state === "running";
    this.#parts.changed();
  }

  /**
   * Resolves once the process has lived for its service's `ready.stable`.
   *
   * @throws NEWEL_E_NOT_READY when it ended meanwhile; NEWEL_E_CANCELLED by `signal`
   */
  async waitStable(signal: AbortSignal): Promise<void> {
    const abort = new AbortController();
    const { stableMs } = this.spec.ready;
    try {
      await Promise.race([
        sleep(stableMs, abort.signal),
        this.ended.then(() => {
          const why = `it got ready, then ended with ${describeExit(this.exitCode ?? null)} within ${stableMs} ms`;
          throw newelError("NEWEL_E_NOT_READY", { name: this.name, service: this.spec.name, why });
        }),
        cancelled(signal, abort.signal),
      ]);
    } finally {
      abort.abort();
    }
  }

  /** Lets a held process accept connections. */
  async accept(): Promise<void> {
    if (!canHold(this.spec) || !this.alive) return;
    await letAccept(controlPath(this.#parts.home, this.kernelName));
  }

  /**
   * The stop ladder: the stop signal, the grace, SIGKILL to the group; then whatever it left behind.
   *
   * @returns who had to be killed
   */
  async stop(): Promise<readonly Killed[]> {
    this.asked = true;
    if (this.alive) {
      this.#step("stop");
      this.ready = false;
      this.#parts.changed();
    }
    const killed: Killed[] = [];
    if (this.alive) {
      // A shell passes no signal on to what it runs; a program of its own looks after its children.
      await this.#signal(
        this.spec.stop.signal,
        this.spec.command.kind === "shell" ? "group" : "process",
      );
      await this.#endedWithin(this.spec.stop.graceMs);
    }
    if (this.alive) {
      killed.push(...(await this.#signal("SIGKILL", "group")));
      await this.#endedWithin(KILL_WAIT_MS);
    }
    killed.push(...(await this.#clearLeftovers()));
    return killed;
  }

  /** Signals the process itself or its group. */
  async signal(signal: string, group: boolean): Promise<readonly Killed[]> {
    return this.#signal(signal, group ? "group" : "process");
  }

  /** What the kernel says of this process. */
  hear(event: KernelEvent): void {
    if (event.type === "ready") this.#resolveSaidReady();
    if (event.type === "ended") this.exitCode = event.exitCode ?? null;
    // Only when its output is complete too, so that its last lines can be shown.
    if (event.type === "closed") this.#finish(event.exitCode ?? null);
  }

  /** Descendants that outlive the process itself: asked once, then killed. */
  async #clearLeftovers(): Promise<readonly Killed[]> {
    const left = await this.#signal("SIGTERM", "tree");
    if (left.length === 0) return [];
    for (let waitedMs = 0; waitedMs < LEFTOVER_GRACE_MS; waitedMs += LEFTOVER_POLL_MS) {
      await sleep(LEFTOVER_POLL_MS);
      if ((await this.#signal("0", "tree")).length === 0) return left;
    }
    // Again until none is found: one may have forked meanwhile.
    const deadline = Date.now() + KILL_WAIT_MS;
    while ((await this.#signal("SIGKILL", "tree")).length > 0 && Date.now() < deadline)
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
    await Promise.race([this.ended, sleep(limitMs, abort.signal)]);
    abort.abort();
  }

  #take(info: ProcessInfo): void {
    this.pid = info.pid;
    this.startedMs = info.startedMs;
    if (!info.running) return;
    for (const path of info.fifos) this.#holdFifo(path);
    this.#parts.changed();
  }

  /** A second holder beside the kernel: unread output outlives the kernel's death with it. */
  #holdFifo(path: string): void {
    try {
      this.#fifoHolders.push(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
    } catch (error) {
      // The process may have ended meanwhile, its output been read and the FIFO removed.
      if (systemCode(error) !== "ENOENT") throw error;
    }
  }

  #finish(exitCode: number | null): void {
    if (this.state === "stopped") return;
    this.exitCode = exitCode;
    this.ready = false;
    this.#step("ended");
    for (const fd of this.#fifoHolders.splice(0)) closeSync(fd);
    this.#resolveEnded();
    this.#parts.changed();
  }

  #step(event: ReplicaEvent): void {
    this.state = nextState(TRANSITIONS, this.state, event) ?? this.state;
  }
}

function cancelled(signal: AbortSignal, over: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const cancel = (): void => reject(newelError("NEWEL_E_CANCELLED", { what: "The wait" }));
    if (signal.aborted) cancel();
    signal.addEventListener("abort", cancel, { once: true, signal: over });
  });
}
