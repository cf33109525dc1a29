import type { StandardSchemaV1 } from "@standard-schema/spec";

import { tryDurationMs, trySizeBytes } from "../base/units.ts";
import type { Retention, RetryBackoff } from "./api.ts";
import type { JobOptions } from "./definition-types.ts";
import { checkNames, checkQueue, optionError } from "./names.ts";

/** The options of a definition with all defaults filled in. */
export interface ResolvedJobOptions {
  readonly queue: string;
  /** At least 1. */
  readonly attempts: number;
  readonly backoff: RetryBackoff;
  readonly keep: Retention;
  readonly concurrency?: number;
  readonly groupConcurrency?: number;
  readonly priority?: number;
  readonly timeoutMs?: number;
  readonly memoryBytes?: number;
  readonly graceMs: number;
  readonly share: number;
}

/** The longest delay, in milliseconds: a hundred years. */
export const MOST_DELAY_MS: number = 100 * 365 * 86_400_000;
const DEFAULT_QUEUE = "default";
const DEFAULT_RETRIES = 2;
const DEFAULT_BACKOFF: RetryBackoff = { minMs: 1_000, maxMs: 60_000 };
const DEFAULT_GRACE_MS = 5_000;
const DEFAULT_KEEP: Retention = {
  done: { ageMs: 24 * 3_600_000 },
  failed: { ageMs: 30 * 24 * 3_600_000 },
};
/** The largest priority of BullMQ. */
export const PRIORITY_LIMIT = 2_097_151;
/** The longest delay of a timer, in milliseconds. */
const TIMER_LIMIT_MS = 2_147_483_647;

const KNOWN = [
  "input",
  "retries",
  "backoff",
  "queue",
  "concurrency",
  "groupConcurrency",
  "key",
  "group",
  "priority",
  "timeout",
  "memory",
  "grace",
  "share",
  "keep",
] as const;

/**
 * Reads the options of a definition.
 *
 * @throws NEWEL_E_JOB_OPTION naming the option, its value and a valid value
 */
export function resolveOptions(
  name: string,
  options: JobOptions<StandardSchemaV1 | undefined>,
): ResolvedJobOptions {
  const read = new Reader(name, options);
  read.checkNames();
  read.check(
    "input",
    (value) => isSchema(value),
    "a schema with ~standard: of zod, valibot, arktype",
  );
  read.check("key", (value) => typeof value === "function", "a function: (input) => input.id");
  read.check(
    "group",
    (value) => typeof value === "function",
    "a function: (input) => input.tenant",
  );
  const concurrency = read.whole("concurrency", 1, 100_000);
  const groupConcurrency = read.whole("groupConcurrency", 1, 100_000);
  const priority = read.whole("priority", 1, PRIORITY_LIMIT);
  const timeoutMs = read.duration("timeout", 1);
  const memoryBytes = read.size("memory");
  return {
    queue: read.queue(concurrency === undefined ? DEFAULT_QUEUE : name),
    attempts: (read.whole("retries", 0, 1_000) ?? DEFAULT_RETRIES) + 1,
    backoff: read.backoff(),
    keep: read.keep(),
    graceMs: read.duration("grace", 0) ?? DEFAULT_GRACE_MS,
    share: read.whole("share", 1, 10_000) ?? 1,
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(groupConcurrency === undefined ? {} : { groupConcurrency }),
    ...(priority === undefined ? {} : { priority }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
  };
}

/** The defaults, for a run whose definition is not known here. */
export function defaultOptions(queue: string = DEFAULT_QUEUE): ResolvedJobOptions {
  return { ...resolveOptions("job", {}), queue };
}

class Reader {
  readonly #of: string;
  readonly #options: Readonly<Record<string, unknown>>;

  constructor(name: string, options: unknown) {
    this.#of = `the job ${name}`;
    if (typeof options !== "object" || options === null)
      throw optionError(this.#of, "options", options, "an object: {} when there are none");
    this.#options = options as Readonly<Record<string, unknown>>;
  }

  checkNames(): void {
    checkNames(this.#of, this.#options, KNOWN);
  }

  check(option: string, isUsable: (value: unknown) => boolean, write: string): void {
    const value = this.#options[option];
    if (value !== undefined && !isUsable(value)) throw this.#refused(option, value, write);
  }

  whole(option: string, least: number, most: number): number | undefined {
    const value = this.#options[option];
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most)
      return value;
    throw this.#refused(option, value, `a whole number from ${least} to ${most}`);
  }

  duration(option: string, leastMs: number, value = this.#options[option]): number | undefined {
    if (value === undefined) return undefined;
    const ms = toMs(value);
    if (ms !== undefined && ms >= leastMs && ms <= TIMER_LIMIT_MS) return ms;
    const least = leastMs === 0 ? "" : ", more than 0";
    throw this.#refused(
      option,
      value,
      `"500ms", "10s", "2m" or milliseconds, at most 24 days${least}`,
    );
  }

  size(option: string): number | undefined {
    const value = this.#options[option];
    if (value === undefined) return undefined;
    const bytes = typeof value === "string" ? trySizeBytes(value) : value;
    if (typeof bytes === "number" && Number.isSafeInteger(bytes) && bytes > 0) return bytes;
    throw this.#refused(option, value, '"512MB", "1GB" or bytes, more than 0');
  }

  queue(fallback: string): string {
    const value = this.#options["queue"];
    if (value === undefined) return fallback;
    return checkQueue(value, this.#of);
  }

  backoff(): RetryBackoff {
    const value = this.#options["backoff"];
    if (value === undefined) return DEFAULT_BACKOFF;
    if (typeof value !== "object" || value === null) {
      const minMs = this.duration("backoff", 0, value) ?? DEFAULT_BACKOFF.minMs;
      return { minMs, maxMs: Math.max(minMs, DEFAULT_BACKOFF.maxMs) };
    }
    checkNames(`backoff of ${this.#of}`, value, ["min", "max"]);
    const { min, max } = value as { min?: unknown; max?: unknown };
    const minMs = this.duration("backoff.min", 0, min) ?? DEFAULT_BACKOFF.minMs;
    const maxMs = this.duration("backoff.max", 0, max) ?? Math.max(minMs, DEFAULT_BACKOFF.maxMs);
    if (maxMs < minMs) throw this.#refused("backoff.max", max, "at least what backoff.min is");
    return { minMs, maxMs };
  }

  keep(): Retention {
    const value = this.#options["keep"];
    if (value === undefined) return DEFAULT_KEEP;
    if (typeof value !== "object" || value === null)
      throw this.#refused("keep", value, '{ done: "24h", failed: "30d" }');
    checkNames(`keep of ${this.#of}`, value, ["done", "failed"]);
    const { done, failed } = value as { done?: unknown; failed?: unknown };
    return {
      done: { ageMs: this.#age("keep.done", done) ?? DEFAULT_KEEP.done.ageMs },
      failed: { ageMs: this.#age("keep.failed", failed) ?? DEFAULT_KEEP.failed.ageMs },
    };
  }

  /** Reads an age, which may be a year, unlike the delay of a timer. */
  #age(option: string, value: unknown): number | undefined {
    if (value === undefined) return undefined;
    const ms = toMs(value);
    if (ms !== undefined && ms >= 0) return ms;
    throw this.#refused(option, value, '"24h", "30d" or milliseconds');
  }

  #refused(option: string, value: unknown, write: string): Error {
    return optionError(this.#of, option, value, write);
  }
}

/** A duration with its unit, or milliseconds. */
export function toMs(value: unknown): number | undefined {
  if (typeof value === "string") return tryDurationMs(value);
  return typeof value === "number" && Number.isSafeInteger(Math.round(value))
    ? Math.round(value)
    : undefined;
}

function isSchema(value: unknown): boolean {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const standard: unknown = (value as Record<string, unknown>)["~standard"];
  return (
    typeof standard === "object" &&
    standard !== null &&
    "validate" in standard &&
    typeof standard.validate === "function"
  );
}
