import { readFileSync } from "node:fs";

import { messageOf, systemCode } from "../base/errors.ts";
import { PRELOAD_ENV } from "../base/preload.ts";
import { sleep } from "../base/timers.ts";
import type { ProcessInfo } from "../kernel/process-api.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { App } from "./app.ts";
import { parseRunName, type RunName } from "./process-names.ts";
import type { Refusing } from "./refusing.ts";
import type { Replica } from "./replica.ts";
import type { FoundProcess } from "./found-process.ts";
import type { Service } from "./service.ts";
import type { Sockets } from "./sockets.ts";
import { stopTree } from "./stop-tree.ts";

/** How long after a socket could not be made it is tried again, in milliseconds. */
const RETRY_MS = 5_000;
const POLL_MS = 50;
/** The grace of a process whose service is not known any more, in milliseconds. */
const STRAY_GRACE_MS = 10_000;
const KILL_MS = 10_000;

interface ReconcilerParts {
  readonly kernel: KernelClient;
  readonly sockets: Sockets;
  readonly refusing: Refusing;
  readonly apps: () => Iterable<App>;
  readonly serviceOf: (run: RunName) => { app?: App; service?: Service };
  readonly log: (text: string) => void;
}

/**
 * Compares the supervisor's state with that of the kernel, and repairs the difference: after
 * the start, after each connection to a kernel, and again while a socket cannot be made. In order:
 * sockets, values, processes; a process needs its sockets.
 */
export class Reconciler {
  readonly #parts: ReconcilerParts;
  #running: Promise<void> | undefined;
  #again = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #named = new Set<string>();

  constructor(parts: ReconcilerParts) {
    this.#parts = parts;
  }

  /** Compares now, or again after the comparison under way. */
  run(): Promise<void> {
    if (this.#running !== undefined) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#runAll().finally(() => (this.#running = undefined));
    return this.#running;
  }

  /** The sockets of every app, before any process starts. */
  async makeSockets(): Promise<void> {
    const held = await this.#parts.kernel.sockets.list();
    this.#parts.refusing.learn(held);
    for (const app of this.#parts.apps()) {
      const failed = new Set(app.socketErrors.keys());
      const made = await this.#parts.sockets.ensure(app, held);
      if (made.some((name) => failed.has(name))) this.#startWaiting(app);
    }
    this.#tryAgain();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
  }

  async #runAll(): Promise<void> {
    do {
      this.#again = false;
      try {
        await this.makeSockets();
        await this.#writeValues();
        await this.#compareProcesses();
        for (const app of this.#parts.apps()) this.#parts.refusing.check(app);
      } catch (error) {
        if (this.#closed) return;
        this.#parts.log(`Comparing with the kernel: ${messageOf(error)}`);
        this.#tryAgain(true);
      }
    } while (this.#again && !this.#closed);
  }

  async #writeValues(): Promise<void> {
    for (const app of this.#parts.apps()) if (!app.ending) await app.saveAgain();
  }

  async #compareProcesses(): Promise<void> {
    const { kernel } = this.#parts;
    // Read before the list: a process made after it is no difference.
    const believed = [...this.#replicas()].filter(({ pid }) => pid !== undefined);
    const known = new Set((await kernel.processes.list()).map(({ name }) => name));
    const forgotten = believed.filter(({ kernelName }) => !known.has(kernelName));
    await Promise.all(forgotten.map((replica) => this.#endForgotten(replica)));
    // No await from here to the end: the kernel's list must be that of this moment.
    const runs = await findRuns(kernel);
    for (const app of this.#parts.apps())
      for (const service of app.services.values())
        service.reconcile(
          runs.filter(({ run }) => this.#parts.serviceOf(run).service === service),
          false,
        );
    const running = runs.filter(({ info }) => info.running);
    await Promise.all(running.map(({ run, info }) => this.#stray(run, info)));
  }

  /** Ends a process that the kernel does not know any more: its service continues without it. */
  async #endForgotten({ pid = 0, name, spec }: Replica): Promise<void> {
    this.#parts.log(`${name} (pid ${pid}) is unknown to the kernel that came back: it is ended`);
    await endForgotten(pid, name, spec.stop);
  }

  /** A running process of the kernel that no service has. */
  async #stray(run: RunName, info: ProcessInfo): Promise<void> {
    const { app, service } = this.#parts.serviceOf(run);
    // A service decides about its own.
    if (service !== undefined) return;
    if (app === undefined) {
      this.#name(info.name, `${info.name} (pid ${info.pid}) belongs to no app that is known here`);
      return;
    }
    // The running command handles this process.
    if (app.lock.isExclusive) return;
    this.#parts.log(`${info.name} (pid ${info.pid}) belongs to no service any more: it is stopped`);
    await endStray(this.#parts.kernel, info.name);
  }

  #name(key: string, text: string): void {
    if (this.#named.has(key)) return;
    this.#named.add(key);
    this.#parts.log(text);
  }

  *#replicas(): Iterable<Replica> {
    for (const app of this.#parts.apps())
      for (const service of app.services.values()) yield* service.replicas;
  }

  /** The socket exists now: services that gave up are started again. */
  #startWaiting(app: App): void {
    for (const service of app.services.values()) {
      const isWaiting = service.wanted.up && service.replicas.length === 0;
      if (!isWaiting || socketErrorOf(app, service) !== undefined) continue;
      service
        .command({ kind: "start" }, () => {})
        .catch((error: unknown) => this.#parts.log(`${service.name}: ${messageOf(error)}`));
    }
  }

  #tryAgain(now = false): void {
    clearTimeout(this.#retry);
    const isMissing = [...this.#parts.apps()].some(({ socketErrors }) => socketErrors.size > 0);
    if (this.#closed || !(isMissing || now)) return;
    this.#retry = setTimeout(() => void this.run(), RETRY_MS);
  }
}

/** Every process of the kernel that a supervisor made, oldest first. */
export async function findRuns(kernel: KernelClient): Promise<readonly FoundProcess[]> {
  const trees = await kernel.processes.trees([], { detail: true });
  const askedOf = new Map(
    trees.map(({ name, processes }) => [
      name,
      processes.flatMap(({ detail }) => detail?.asked?.signal ?? []),
    ]),
  );
  const runs = (await kernel.processes.list()).flatMap((info) => {
    const run = parseRunName(info.name);
    const asked = askedOf.get(info.name);
    return run === undefined
      ? []
      : [{ run, info, isAlive: asked !== undefined, asked: asked ?? [] }];
  });
  return runs.sort((a, b) => a.run.run - b.run.run);
}

/** Why a service lacks a socket. */
function socketErrorOf(app: App, service: Service): Error | undefined {
  return service.spec.listen
    .map(({ kernelName }) =>
      kernelName === undefined ? undefined : app.socketErrors.get(kernelName),
    )
    .find((error) => error !== undefined);
}

/** Ends a process of the kernel that belongs to no replica, with its whole process tree. */
export async function endStray(kernel: KernelClient, name: string): Promise<void> {
  await stopTree(kernel, name, { signal: "SIGTERM", scope: "auto", graceMs: STRAY_GRACE_MS });
}

async function endForgotten(
  pid: number,
  name: string,
  { signal, graceMs }: { readonly signal: string; readonly graceMs: number },
): Promise<void> {
  const isIts = (): boolean => hasProcessName(pid, name);
  if (!isIts()) return;
  send(pid, signal as NodeJS.Signals);
  await until(graceMs, async () => !isIts());
  if (isIts()) send(-pid, "SIGKILL");
  await until(KILL_MS, async () => !isIts());
}

/** A pid alone could be another process by now: newel gave its own a name in the environment. */
function hasProcessName(pid: number, name: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1")
      .split("\0")
      .includes(`${PRELOAD_ENV.process}=${name}`);
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(systemCode(error) ?? "")) return false;
    throw error;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (systemCode(error) !== "ESRCH") throw error;
  }
}

async function until(limitMs: number, test: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await test()) && performance.now() < deadline) await sleep(POLL_MS);
}
