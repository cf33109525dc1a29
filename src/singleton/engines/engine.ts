import { hasCode, isNewelError, systemCode } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { Connection } from "../../wire/client.ts";
import type { Contract } from "../../wire/contract.ts";
import type { WireLimits } from "../../wire/limits.ts";
import type { WireServer } from "../../wire/server.ts";
import type { SavedText } from "../state.ts";

/** Methods by name, as host and proxies exchange them. */
export type AnyApi = Record<string, (...args: unknown[]) => unknown>;

/** What an owner would serve. The implementation waits by itself until the instance is made. */
export interface Service {
  readonly contract: Contract<AnyApi>;
  readonly implementation: AnyApi;
  readonly limits: Partial<WireLimits> | undefined;
}

/** The ownership this process has won, from then until it is given up. */
export interface Tenure {
  readonly epoch: number;
  readonly sinceMs: number;
  readonly server: WireServer;
  /** Aborts when the ownership went to another though this process lives. */
  readonly lost: AbortSignal;
  /** Where the state is kept; missing where nothing keeps it. */
  readonly store?: SavedText;
  /** Frees the name, so that the next can win. Nothing of the instance may run any more. */
  end(): Promise<void>;
}

/** What comes of taking part: the ownership, or a connection to who has it. */
export type Joined =
  | { readonly tenure: Tenure; readonly connection?: never; readonly elected?: never }
  | {
      readonly connection: Connection<AnyApi>;
      /** Aborts when this process has become the owner although the one it is connected to lives. */
      readonly elected?: AbortSignal;
      readonly tenure?: never;
    };

export interface JoinOptions {
  /** Makes what is served, should this process win. Missing: it does not try to. */
  readonly service: (() => Service) | undefined;
  readonly contract: Contract<AnyApi>;
  /** How long an owner may take to say HELLO; it may be busy with its constructor. */
  readonly timeoutMs: number;
  /** Whether anybody waits for an owner here. */
  readonly isUrgent: () => boolean;
  /** Ends the attempts; `join` then rejects with its reason. */
  readonly signal: AbortSignal;
}

/**
 * One way to choose an owner that cannot race: of all who try, exactly one wins, and what it has won
 * is freed by the system when it dies, at that instant and never before. Whether an owner answers
 * plays no part in it: one that is busy, stopped or slow keeps what it has.
 */
export interface Engine {
  /** Tries until this process has won or is connected to the owner. Not to be called twice at once. */
  join(options: JoinOptions): Promise<Joined>;
  /** Gives up its place among those who wait to be the next. */
  withdraw?(): Promise<void>;
}

/**
 * A takeover is a matter of some ten milliseconds; a constructor may be one of seconds. Who looks more
 * often takes the time from the one that is to be the next owner.
 */
const QUICK_TRIES = 30;

/** Waits between two tries at what takes others milliseconds; not all who wait come back at once. */
export function pause(tries: number, signal: AbortSignal): Promise<void> {
  const ms = tries < QUICK_TRIES ? 6 : 20;
  return sleep(ms * (0.75 + Math.random() / 2), signal);
}

/** What connecting fails with while nobody serves there: no owner, one that ends, one that begins. */
const NOBODY: ReadonlySet<string> = new Set([
  "ENOENT",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "EAGAIN",
]);

/** Whether a failed connect means that there is nobody, in contrast to somebody who does not fit. */
export function isNobody(error: unknown): boolean {
  if (hasCode(error, "NEWEL_E_CONNECTION_LOST")) return true;
  const fits = hasCode(error, "NEWEL_E_UNREACHABLE") || hasCode(error, "NEWEL_E_SECRET");
  return fits && isNewelError(error) && hasNobodyCode(error.cause);
}

function hasNobodyCode(cause: unknown): boolean {
  if (hasCode(cause, "NEWEL_E_CONNECTION_LOST")) return true;
  return NOBODY.has(systemCode(cause) ?? "");
}
