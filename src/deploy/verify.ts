import { request } from "node:http";

import { messageOf } from "../base/errors.ts";
import { sleep } from "../base/timers.ts";
import type { MetricFamily, ServiceView } from "../supervisor/api.ts";
import type { ResolvedDeploy } from "../supervisor/config/deploy-types.ts";

/** The services of an app right after the switch, to which later states are compared. */
export type Baseline = ReadonlyMap<string, { readonly restarts: number }>;

/** Remembers the restarts so far, which do not count against the release. */
export function baselineOf(services: readonly ServiceView[]): Baseline {
  return new Map(services.map(({ name, restarts }) => [name, { restarts }]));
}

/**
 * Why a release is not well: a service that failed, waits for its next try, restarted since the switch, or is not
 * ready. `undefined` when it is well.
 */
export function troubleOf(
  services: readonly ServiceView[],
  baseline: Baseline,
): string | undefined {
  for (const { name, state, restarts, ready, replicas, wanted, why } of services) {
    if (wanted !== "up") continue;
    const reason = why === undefined ? "" : ` (${why})`;
    if (state === "failed" || state === "backoff") return `${name} is in state ${state}${reason}`;
    if (restarts > (baseline.get(name)?.restarts ?? 0))
      return `${name} ended and was restarted${reason}`;
    if (state === "running" && ready < replicas)
      return `only ${ready} of ${replicas} replicas of ${name} are ready${reason}`;
  }
  return undefined;
}

/** The responses with a status of 500 or more, by the labels of their replicas. */
type Failures = ReadonlyMap<string, number>;

function failuresOf(families: readonly MetricFamily[]): Failures {
  const responses = families.find(({ name }) => name === "newel_http_server_responses");
  const failed = (responses?.samples ?? []).filter(
    ({ labels }) => labels["status_class"] === "5xx",
  );
  return new Map(failed.map(({ labels, value }) => [JSON.stringify(labels), value]));
}

/** How many error responses were given since an earlier reading. */
export function failuresSince(
  families: readonly MetricFamily[],
  before: readonly MetricFamily[],
): number {
  const earlier = failuresOf(before);
  return [...failuresOf(families)].reduce(
    (sum, [labels, count]) => sum + Math.max(0, count - (earlier.get(labels) ?? 0)),
    0,
  );
}

/** The parts of a verification that touch the outside. */
export interface Watched {
  readonly services: () => Promise<readonly ServiceView[]>;
  /** The metrics of the app, in which the preloads count responses. */
  readonly metrics: () => Promise<readonly MetricFamily[]>;
  readonly signal: AbortSignal;
}

const POLL_MS = 250;
/** The time between two readings of the metrics, in milliseconds. */
const METRICS_MS = 1_000;
/** The time for one answer, in milliseconds. */
const ANSWER_MS = 5_000;

/**
 * Watches a release for its time.
 *
 * @returns why it is not well; `undefined` when the time passed without trouble
 */
export async function watchRelease(
  { forMs, http, maxErrors }: ResolvedDeploy["verify"],
  baseline: Baseline,
  { services, metrics, signal }: Watched,
): Promise<string | undefined> {
  const before = maxErrors === undefined ? [] : await metrics();
  const until = performance.now() + forMs;
  let nextMetrics = performance.now() + METRICS_MS;
  let errors = 0;
  for (;;) {
    const isLast = performance.now() >= until;
    if (signal.aborted) return "it was cancelled";
    const trouble = troubleOf(await services(), baseline);
    if (trouble !== undefined) return trouble;
    const failure = http === undefined ? undefined : await ask(http);
    if (failure !== undefined && (errors += 1) > (maxErrors ?? 0))
      return `${http} ${failure}${errors === 1 ? "" : `, the ${errors}th error`}`;
    if (maxErrors !== undefined && (isLast || performance.now() >= nextMetrics)) {
      nextMetrics = performance.now() + METRICS_MS;
      const failed = failuresSince(await metrics(), before);
      if (failed > maxErrors)
        return `${failed} responses had a status of 500 or more, and ${maxErrors} are allowed`;
    }
    if (isLast) return undefined;
    await sleep(Math.max(0, Math.min(POLL_MS, until - performance.now())));
  }
}

/** Why a URL does not answer with a status below 400. */
function ask(url: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asked = request(url, { timeout: ANSWER_MS, agent: false }, (response) => {
      response.resume();
      const { statusCode = 0 } = response;
      resolve(statusCode >= 200 && statusCode < 400 ? undefined : `answered ${statusCode}`);
    });
    asked.once("timeout", () => asked.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
    asked.once("error", (error) => resolve(`failed: ${messageOf(error)}`));
    asked.end();
  });
}
