import type { LifecycleName } from "./channels.ts";

/**
 * The time limit of one listener of a lifecycle channel, in milliseconds, unless the listener sets
 * its own.
 */
export const DEFAULT_TIMEOUTS_MS: Readonly<Record<LifecycleName, number>> = {
  start: 60_000,
  stop: 10_000,
  restart: 60_000,
  graceful: 30_000,
  exit: 10_000,
};

/** Options of a bus. */
export interface BusOptions {
  /** Names the bus in its log. Default `Bus`. */
  readonly name?: string;
  /** Other limits than {@link DEFAULT_TIMEOUTS_MS}; `Infinity` for none. */
  readonly timeoutsMs?: Partial<Record<LifecycleName, number>>;
}

/** Options of `bus.block()`. */
export interface BlockOptions {
  /** The pause between two publishes of `main`, in milliseconds. Default 100. */
  readonly intervalMs?: number;
  /** Exit when a `main` listener fails. Default false: the failure is logged. */
  readonly exitOnMainFailure?: boolean;
}

/** Options of `bus.wait()`. */
export interface WaitOptions {
  /** Publish on this channel while waiting. */
  readonly channel?: string;
  /** The pause between two such publishes, in milliseconds. Default 100. */
  readonly intervalMs?: number;
  /** Ends the wait, which rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** One listener of a plan: the planned order of listeners, without running them. */
export interface PlannedStep {
  /** The name of the listener. */
  readonly listener: string;
  /** The priority of the listener, 0 to 100. */
  readonly priority: number;
  /** The time limit of the listener, in milliseconds. */
  readonly limitMs: number;
}

/** One listener that ran in the last start or shutdown. */
export interface TimelineEntry {
  /** The channel that was published. */
  readonly channel: string;
  /** The name of the listener. */
  readonly listener: string;
  /** The time it took, in milliseconds. */
  readonly durationMs: number;
  /** Whether it threw, rejected or exceeded its time limit. */
  readonly failed: boolean;
}
