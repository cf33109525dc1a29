import type { LifecycleName } from "./channels.ts";

/** How long one listener of a lifecycle channel may take, in milliseconds, if it says nothing itself. */
export const DEFAULT_TIMEOUTS_MS: Readonly<Record<LifecycleName, number>> = {
  start: 60_000,
  stop: 10_000,
  restart: 60_000,
  graceful: 30_000,
  exit: 10_000,
};

export interface BusOptions {
  /** Names the bus in its log. Default `Bus`. */
  readonly name?: string;
  /** Other limits than {@link DEFAULT_TIMEOUTS_MS}; `Infinity` for none. */
  readonly timeoutsMs?: Partial<Record<LifecycleName, number>>;
}

export interface BlockOptions {
  /** The pause between two publishes of `main`, in milliseconds. Default 100. */
  readonly intervalMs?: number;
  /** Exit when a `main` listener fails. Default false: the failure is logged. */
  readonly exitOnMainFailure?: boolean;
}

export interface WaitOptions {
  /** Publish on this channel while waiting. */
  readonly channel?: string;
  /** The pause between two such publishes, in milliseconds. Default 100. */
  readonly intervalMs?: number;
  /** Gives up: the wait rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** One listener of a plan: what runs in which order, without running it. */
export interface PlannedStep {
  readonly listener: string;
  readonly priority: number;
  readonly limitMs: number;
}

/** One listener that ran in the last start or shutdown. */
export interface TimelineEntry {
  readonly channel: string;
  readonly listener: string;
  readonly durationMs: number;
  readonly failed: boolean;
}
