import { hasCode, isNewelError, systemCode } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { Connection } from "../../wire/client.ts";
import type { Contract } from "../../wire/contract.ts";
import type { WireLimits } from "../../wire/limits.ts";
import type { WireServer } from "../../wire/server.ts";
import type { SavedText } from "../state.ts";

/** Methods by name, as host and proxies exchange them. */
export type AnyApi = Record<string, (...args: unknown[]) => unknown>;

/** The service of a potential owner. The implementation itself waits until the instance is made. */
export interface Service {
  readonly contract: Contract<AnyApi>;
  readonly implementation: AnyApi;
  readonly limits: Partial<WireLimits> | undefined;
}

/** The ownership that this process has won, until it is released. */
export interface Tenure {
  readonly epoch: number;
  readonly sinceMs: number;
  readonly server: WireServer;
  /** Aborts when another process gets the ownership although this process is alive. */
  readonly lost: AbortSignal;
  /** The store of the state; missing if the engine stores none. */
  readonly store?: SavedText;
  /** Frees the name, so that the next process can win. No code of the instance may run any more. */
  end(): Promise<void>;
}

/** The result of joining: the ownership, or a connection to the owner. */
export type Joined =
  | { readonly tenure: Tenure; readonly connection?: never; readonly elected?: never }
  | {
      readonly connection: Connection<AnyApi>;
      /** Aborts when this process has become the owner although the connected owner is alive. */
      readonly elected?: AbortSignal;
      readonly tenure?: never;
    };

export interface JoinOptions {
  /** Makes the service, if this process wins. If missing, the process does not compete. */
  readonly service: (() => Service) | undefined;
  readonly contract: Contract<AnyApi>;
  /** Limits of the connection to an owner. */
  readonly limits: Partial<WireLimits>;
  /** Milliseconds that an owner may take to send HELLO; it may be busy with its constructor. */
  readonly timeoutMs: number;
  /** Whether a caller waits for an owner in this process. */
  readonly isUrgent: () => boolean;
  /** When this signal aborts, the attempts to join end, and `join` rejects with the reason of the signal. */
  readonly signal: AbortSignal;
}

/**
 * A race-free way to elect an owner: of all competing processes exactly one wins, and the operating
 * system or the kernel frees its ownership at the instant of its death and never before. The
 * responsiveness of the owner does not matter: a busy, stopped or slow owner keeps its ownership.
 */
export interface Engine {
  /** The address of the owner, as an error shows it: `at 127.0.0.1:17310`. */
  readonly place: string;
  /** Tries until this process has won or is connected to the owner. Calls must not overlap. */
  join(options: JoinOptions): Promise<Joined>;
  /** Leaves the queue of processes that wait to be the next owner. */
  withdraw?(): Promise<void>;
}

/**
 * A takeover takes about ten milliseconds, a constructor may take seconds. More frequent polls
 * would take processor time from the next owner.
 */
const QUICK_TRIES = 30;

/**
 * Waits between two attempts, with a random part so that not all waiting processes retry at once.
 */
export function pause(tries: number, signal: AbortSignal): Promise<void> {
  const ms = tries < QUICK_TRIES ? 6 : 20;
  return sleep(ms * (0.75 + Math.random() / 2), signal);
}

/**
 * The error codes of a failed connect while no process serves: no owner, an owner that ends, an
 * owner that begins.
 */
const NOBODY: ReadonlySet<string> = new Set([
  "ENOENT",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "EAGAIN",
]);

/**
 * Whether a failed connect means that there is no server, in contrast to a server that does not
 * match.
 */
export function isNobody(error: unknown): boolean {
  if (hasCode(error, "NEWEL_E_CONNECTION_LOST")) return true;
  const fits = hasCode(error, "NEWEL_E_UNREACHABLE") || hasCode(error, "NEWEL_E_SECRET");
  return fits && isNewelError(error) && hasNobodyCode(error.cause);
}

function hasNobodyCode(cause: unknown): boolean {
  if (hasCode(cause, "NEWEL_E_CONNECTION_LOST")) return true;
  return NOBODY.has(systemCode(cause) ?? "");
}
