import { newelError } from "../base/errors.ts";
import type { Step, Subscription } from "./channels.ts";
import { ChannelFailures, ExitRequest, honestRequest, type ListenerFailure } from "./failures.ts";

/** What a publish came to. With `request`, the listeners behind the one that asked did not run. */
export interface Outcome {
  readonly results: unknown[];
  readonly failures: ListenerFailure[];
  readonly request?: ExitRequest;
}

/** @throws what a publish that came to this throws, if anything */
export function throwFailures(channel: string, { request, failures, results }: Outcome): void {
  if (request !== undefined) throw request;
  if (failures.length > 0) throw new ChannelFailures(channel, failures, results);
}

/** How {@link publishInTurn} goes about it. */
export interface TurnOptions {
  /** For listeners that set none of their own, in milliseconds; `Infinity` for no limit. */
  readonly limitMs: number;
  /** Stops before the next listener and aborts the step of the one that runs. */
  readonly signal?: AbortSignal;
  /** Run the later listeners also after an exit request: what must be undone is undone. */
  readonly thorough?: boolean;
  /** Told of each listener before it is called. */
  readonly onBegin?: (listener: string) => void;
  /** Told when a listener has used up half of its time. */
  readonly onSlow?: (listener: string, limitMs: number) => void;
  /** Told of each listener that ended, also when it failed. */
  readonly onDone?: (listener: string, durationMs: number, error: unknown) => void;
}

/**
 * Calls the listeners one after the other and waits for each. A listener that takes too long counts
 * as failed and the next begins; what it still does is then nobody's concern.
 *
 * @param args - for every listener; without any, each gets a {@link Step} of its own
 */
export async function publishInTurn(
  channel: string,
  listeners: readonly Subscription[],
  args: readonly unknown[],
  options: TurnOptions,
): Promise<Outcome> {
  const results: unknown[] = [];
  const failures: ListenerFailure[] = [];
  let request: ExitRequest | undefined;
  for (const listener of listeners) {
    if (options.signal?.aborted === true) break;
    const startedMs = performance.now();
    let failure: { readonly error: unknown } | undefined;
    options.onBegin?.(listener.name);
    try {
      results.push(await callInTime(channel, listener, args, options));
    } catch (error) {
      failure = { error };
    }
    const durationMs = performance.now() - startedMs;
    options.onDone?.(listener.name, durationMs, failure?.error);
    if (failure === undefined) continue;
    if (failure.error instanceof ExitRequest) {
      request ??= honestRequest(failure.error, failures.length > 0);
      if (options.thorough !== true) break;
    } else {
      failures.push(failureOf(channel, listener, failure.error, durationMs));
    }
  }
  return { results, failures, ...(request === undefined ? {} : { request }) };
}

/** What failures say of a listener. */
export function failureOf(
  channel: string,
  listener: Subscription,
  error: unknown,
  durationMs?: number,
): ListenerFailure {
  return {
    channel,
    listener: listener.name,
    priority: listener.priority,
    error,
    ...(durationMs === undefined ? {} : { durationMs }),
  };
}

function callInTime(
  channel: string,
  listener: Subscription,
  args: readonly unknown[],
  options: TurnOptions,
): Promise<unknown> {
  const { call } = listener;
  const limitMs = listener.timeoutMs ?? options.limitMs;
  // Nothing to limit and no step to hand out: the common case of publishAsync.
  if (limitMs === Infinity && args.length > 0) return (async () => call(...args))();
  const abort = new AbortController();
  const step: Step = { signal: abort.signal, limitMs };
  return new Promise((resolve, reject) => {
    const slow = timer(limitMs / 2, () => options.onSlow?.(listener.name, limitMs));
    const end = timer(limitMs, () => {
      const error = newelError("NEWEL_E_BUS_TIMEOUT", {
        listener: listener.name,
        channel,
        limitMs,
      });
      abort.abort(error);
      reject(error);
    });
    // Only while it runs: what has come to its end is not broken off later.
    const brokenOff = (): void => abort.abort(options.signal?.reason);
    options.signal?.addEventListener("abort", brokenOff);
    const settle = (): void => {
      options.signal?.removeEventListener("abort", brokenOff);
      clearTimeout(slow);
      clearTimeout(end);
    };
    const called = (async () => call(...(args.length === 0 ? [step] : args)))();
    // Settled first: the next listener runs as soon as this promise resolves.
    called.finally(settle).then(resolve, reject);
  });
}

function timer(ms: number, act: () => void): NodeJS.Timeout | undefined {
  return Number.isFinite(ms) ? setTimeout(act, ms) : undefined;
}
