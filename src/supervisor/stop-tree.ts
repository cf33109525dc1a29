import { constants } from "node:os";

import { hasCode, newelError } from "../base/errors.ts";
import { sleep } from "../base/timers.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import {
  beginLadder,
  type LadderEffect,
  type LadderEvent,
  type LadderState,
  stepLadder,
} from "./stop-ladder.ts";
import type { StopScope } from "./stop-targets.ts";
import { treeReader } from "./tree-reader.ts";

/** A process that had to be killed. */
export interface Killed {
  readonly pid: number;
  readonly command: string;
}

/** How a process tree is stopped. */
export interface StopTreeOptions {
  /** The stop signal: `SIGTERM`. */
  readonly signal: string;
  readonly scope: StopScope;
  /** From the stop signal to SIGKILL, for the whole tree, in milliseconds. */
  readonly graceMs: number;
  /** Resolves when the process itself has ended: then the tree is read at once. */
  readonly ended?: Promise<unknown>;
}

/**
 * Stops the tree of a process of the kernel: the driver of the stop ladder. One object is one stop;
 * {@link run} may be called again after a failure, and continues where it was: no process gets the stop
 * signal twice, and the grace counts from the first look at the tree.
 */
export class TreeStop {
  readonly #kernel: KernelClient;
  readonly #name: string;
  readonly #options: StopTreeOptions;
  readonly #killed = new Map<number, Killed>();
  readonly #hurry = new AbortController();
  #state: LadderState | undefined;

  constructor(kernel: KernelClient, name: string, options: StopTreeOptions) {
    this.#kernel = kernel;
    this.#name = name;
    this.#options = options;
  }

  /** Ends the grace: every process that is left gets SIGKILL. */
  now(): void {
    this.#hurry.abort();
  }

  /**
   * Resolves when the tree has no living process any more.
   *
   * @returns the processes that had to be killed
   * @throws NEWEL_E_NOT_STOPPED when a process outlives SIGKILL by 10 s
   */
  async run(): Promise<readonly Killed[]> {
    const number = Object.entries(constants.signals).find(
      ([name]) => name === this.#options.signal,
    )?.[1];
    const { scope, graceMs } = this.#options;
    const signal = number ?? constants.signals.SIGTERM;
    this.#state ??= beginLadder({ signal, scope, graceMs });
    if (this.#hurry.signal.aborted) await this.#step({ type: "now" });
    // The first event of a run is a read of the tree, for any state that the last run left.
    let atMs: number | undefined = performance.now();
    let hurried = this.#hurry.signal.aborted;
    let endSeen = false;
    const ended = this.#options.ended?.then(() => (endSeen = true));
    while (atMs !== undefined) {
      await this.#wait(atMs, hurried, endSeen ? undefined : ended);
      if (this.#hurry.signal.aborted && !hurried) {
        hurried = true;
        atMs = await this.#step({ type: "now" });
      } else {
        const tree = await treeReader(this.#kernel).read(this.#name);
        atMs = await this.#step({ type: "tree", tree });
      }
    }
    this.#state = undefined;
    return [...this.#killed.values()];
  }

  /** @returns the time of the next read; `undefined`: the tree has ended */
  async #step(event: LadderEvent): Promise<number | undefined> {
    if (this.#state === undefined) return undefined;
    const { state, effects } = stepLadder(this.#state, event, performance.now());
    let atMs: number | undefined;
    for (const effect of effects) atMs = (await this.#perform(effect)) ?? atMs;
    // Only now: a signal that could not be sent is decided about again.
    this.#state = state;
    return atMs;
  }

  async #perform(effect: LadderEffect): Promise<number | undefined> {
    switch (effect.do) {
      case "look":
        return effect.atMs;
      case "signal": {
        const kills = effect.signal === "SIGKILL";
        const signal = effect.signal === "stop" ? this.#options.signal : effect.signal;
        const signalled = await this.#signal(signal, effect.to);
        if (kills) for (const each of signalled) this.#killed.set(each.pid, each);
        return undefined;
      }
      case "give up": {
        const left = effect.left.map(({ pid, command }) => `${pid} (${command})`).join(", ");
        this.#state = undefined;
        throw newelError("NEWEL_E_NOT_STOPPED", {
          name: this.#name,
          why: `SIGKILL has not ended ${left} within 10 s`,
        });
      }
    }
  }

  async #signal(
    signal: string,
    to: Parameters<KernelClient["processes"]["signalExactly"]>[2],
  ): Promise<readonly Killed[]> {
    try {
      const { signalled } = await this.#kernel.processes.signalExactly(this.#name, signal, to);
      return signalled;
    } catch (error) {
      if (hasCode(error, "NEWEL_E_NOT_FOUND")) return [];
      throw error;
    }
  }

  async #wait(
    untilMs: number,
    hurried: boolean,
    ended: Promise<unknown> | undefined,
  ): Promise<void> {
    const abort = new AbortController();
    const signal = hurried ? abort.signal : AbortSignal.any([abort.signal, this.#hurry.signal]);
    const waits: Promise<unknown>[] = [sleep(Math.max(0, untilMs - performance.now()), signal)];
    if (ended !== undefined) waits.push(ended);
    await Promise.race(waits);
    abort.abort();
  }
}

/** Stops a tree in one call; see {@link TreeStop}. With `now` it gets SIGKILL without the grace. */
export function stopTree(
  kernel: KernelClient,
  name: string,
  { now = false, ...options }: StopTreeOptions & { readonly now?: boolean },
): Promise<readonly Killed[]> {
  const stop = new TreeStop(kernel, name, options);
  if (now) stop.now();
  return stop.run();
}
