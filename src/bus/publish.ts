import { newelError } from "../base/errors.ts";
import { isLifecycle, type Step, type Subscription } from "./channels.ts";
import {
  ChannelFailures,
  type ExitRequest,
  honestRequest,
  isExitRequest,
  laterRequest,
  type ListenerFailure,
} from "./failures.ts";

/** The result of a publish. With `request`, the listeners after the requesting one did not run. */
export interface Outcome {
  readonly results: unknown[];
  readonly failures: ListenerFailure[];
  readonly request?: ExitRequest;
}

/** @throws the error of a publish with this outcome, if it has one */
export function throwFailures(channel: string, { request, failures, results }: Outcome): void {
  if (request !== undefined) throw request;
  if (failures.length > 0) throw new ChannelFailures(channel, failures, results);
}

/** Settings of {@link publishInTurn}. */
export interface TurnOptions {
  /** The limit of listeners without a `timeoutMs`, in milliseconds; `Infinity` for no limit. */
  readonly limitMs: number;
  /** Stops before the next listener and aborts the step of the one that runs. */
  readonly signal?: AbortSignal;
  /**
   * Run the later listeners even after an exit request, because an orderly shutdown needs them all.
   */
  readonly thorough?: boolean;
  /** Called before each listener. */
  readonly onBegin?: (listener: string) => void;
  /** Called when a listener has used half of its time. */
  readonly onSlow?: (listener: string, limitMs: number) => void;
  /** Called when a listener requests the exit, before the next one begins. */
  readonly onRequest?: (request: ExitRequest) => void;
  /** Called after each listener, even if it failed. */
  readonly onDone?: (listener: string, durationMs: number, error: unknown) => void;
}

/** The longest timer that Node.js has, in milliseconds: a longer one would fire immediately. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Calls the listeners one after the other and waits for each. A listener that takes too long counts
 * as failed and the next begins; its later result is ignored.
 *
 * @param args - for every listener; without arguments, each listener of a lifecycle channel gets its own {@link Step}
 * @param onFailure - called when a listener has failed, before the next one begins
 */
export async function publishInTurn(
  channel: string,
  listeners: readonly Subscription[],
  args: readonly unknown[],
  options: TurnOptions,
  onFailure: (listener: string, error: unknown) => void,
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
    if (isExitRequest(failure.error)) {
      const asked = honestRequest(failure.error, failures.length > 0);
      request = laterRequest(request, asked);
      options.onRequest?.(asked);
      if (options.thorough !== true) break;
    } else {
      failures.push(failureOf(channel, listener, failure.error, durationMs));
      onFailure(listener.name, failure.error);
    }
  }
  return { results, failures, ...(request === undefined ? {} : { request }) };
}

/** The record of a listener's failure. */
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
  const takesStep = args.length === 0 && isLifecycle(channel);
  // Neither a limit nor a step is needed: the common case of publishAsync.
  if (limitMs === Infinity && !takesStep) return (async () => call(...args))();
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
    // Only while it runs: a step that has ended is not aborted later.
    const brokenOff = (): void => abort.abort(options.signal?.reason);
    options.signal?.addEventListener("abort", brokenOff);
    const settle = (): void => {
      options.signal?.removeEventListener("abort", brokenOff);
      clearTimeout(slow);
      clearTimeout(end);
    };
    const called = (async () => call(...(takesStep ? [step] : args)))();
    // Settled first: the next listener runs as soon as this promise resolves.
    called.finally(settle).then(resolve, reject);
  });
}

function timer(ms: number, act: () => void): NodeJS.Timeout | undefined {
  return ms <= LONGEST_TIMER_MS ? setTimeout(act, ms) : undefined;
}
