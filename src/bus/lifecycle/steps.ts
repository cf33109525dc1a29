import { AsyncLocalStorage } from "node:async_hooks";

import { DEFAULT_TIMEOUTS_MS, type PlannedStep, type TimelineEntry } from "../bus-options.ts";
import type { LifecycleName, Subscription } from "../channels.ts";
import type { ListenerFailure } from "../failures.ts";
import type { Outcome, TurnOptions } from "../publish.ts";
import { openResources } from "../resources.ts";

/** The parts of the bus that the steps use. */
interface StepsOwner {
  inTurn(channel: string, options: TurnOptions): Promise<Outcome>;
  warn(message: string): void;
}

/** Publishes the lifecycle channels and records the outcome of their listeners. */
export class Steps {
  readonly #owner: StepsOwner;
  readonly #limitsMs: Readonly<Record<LifecycleName, number>>;
  /** Marks code that a listener of a step called: it must not wait for the end of that step. */
  readonly #inside = new AsyncLocalStorage<{ active: boolean }>();
  #running: string | undefined;
  #timeline: TimelineEntry[] = [];
  #failures: ListenerFailure[] = [];

  /** @param limitsMs - limits that replace the defaults */
  constructor(owner: StepsOwner, limitsMs: Partial<Record<LifecycleName, number>> = {}) {
    this.#owner = owner;
    this.#limitsMs = { ...DEFAULT_TIMEOUTS_MS, ...limitsMs };
  }

  /** The listener that runs now, as logs name it. */
  get running(): string | undefined {
    return this.#running;
  }

  get timeline(): readonly TimelineEntry[] {
    return this.#timeline;
  }

  /** The failures that were passed to {@link fail} since {@link clear}. */
  get failures(): readonly ListenerFailure[] {
    return this.#failures;
  }

  /** Whether the caller was itself called by a listener of the step that runs. */
  get areAround(): boolean {
    return this.#inside.getStore()?.active ?? false;
  }

  clear(): void {
    this.#timeline = [];
    this.#failures = [];
  }

  /** Counts a step's failures among those that determine the exit code. */
  fail({ failures }: Outcome): void {
    this.#failures.push(...failures);
  }

  run(channel: LifecycleName, options: Partial<TurnOptions> = {}): Promise<Outcome> {
    const mark = { active: true };
    const turn: TurnOptions = {
      limitMs: this.#limitsMs[channel],
      onBegin: (listener) => {
        this.#running = `the listener ${listener} of the channel "${channel}"`;
      },
      onSlow: (listener, limitMs) => this.#warnSlow(channel, listener, limitMs),
      onDone: (listener, durationMs, error) => {
        // A graceful or a refused restart may happen any number of times in a life.
        if (channel === "graceful" || channel === "restart") return;
        this.#timeline.push({ channel, listener, durationMs, failed: error !== undefined });
      },
      ...options,
    };
    const running = this.#inside.run(mark, () => this.#owner.inTurn(channel, turn));
    return running.finally(() => {
      mark.active = false;
      this.#running = undefined;
    });
  }

  /** The order and limits with which these listeners would run. */
  plan(channel: LifecycleName, listeners: readonly Subscription[]): PlannedStep[] {
    return listeners.map(({ name, priority, timeoutMs }) => ({
      listener: name,
      priority,
      limitMs: timeoutMs ?? this.#limitsMs[channel],
    }));
  }

  #warnSlow(channel: string, listener: string, limitMs: number): void {
    this.#owner.warn(
      `The listener ${listener} of the channel "${channel}" has used half of its ${limitMs} ms. Open: ${openResources()}.`,
    );
  }
}
