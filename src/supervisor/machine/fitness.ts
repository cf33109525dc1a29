import { formatSize } from "../../base/units.ts";
import type { ResolvedService } from "../config/resolved.ts";

/** Samples in a row above `maxMemory` until a replica is replaced. */
const MEMORY_SAMPLES = 3;
/** The pause after a replacement that failed, before the next one is tried, in milliseconds. */
const AGAIN_MS = 30_000;

/** Why a replica that runs has to be replaced. */
export interface Unfit {
  readonly reason: "liveness" | "memory";
  /** The rest of a sentence that begins with its name. */
  readonly why: string;
}

/** The results of the liveness checks and memory samples of one replica. */
export interface Fitness {
  /** When the next liveness check is due; `undefined` while a check runs. */
  checkAtMs: number | undefined;
  isChecking: boolean;
  /** Liveness checks in a row that failed. */
  failures: number;
  /** Memory samples in a row that were above the limit. */
  samplesAbove: number;
  /** Set once the replica is to be replaced. */
  unfit: Unfit | undefined;
  /** Before this time no replacement is tried. */
  notBeforeMs: number;
}

export function newFitness(): Fitness {
  return {
    checkAtMs: undefined,
    isChecking: false,
    failures: 0,
    samplesAbove: 0,
    unfit: undefined,
    notBeforeMs: -Infinity,
  };
}

/** Whether a liveness check of a running replica begins now; otherwise its time is set. */
export function beginsCheck(fitness: Fitness, { alive }: ResolvedService, nowMs: number): boolean {
  if (alive === undefined) {
    fitness.checkAtMs = undefined;
    fitness.failures = 0;
    return false;
  }
  if (fitness.isChecking) return false;
  fitness.checkAtMs ??= nowMs + alive.intervalMs;
  if (fitness.checkAtMs > nowMs) return false;
  fitness.checkAtMs = undefined;
  fitness.isChecking = true;
  return true;
}

/**
 * Counts the result of a liveness check.
 *
 * @param failure - how it failed, as the rest of a sentence; `undefined` for a success
 */
export function noteCheck(
  fitness: Fitness,
  { alive }: ResolvedService,
  failure: string | undefined,
  nowMs: number,
): Unfit | undefined {
  fitness.isChecking = false;
  if (alive === undefined) return undefined;
  fitness.checkAtMs = nowMs + alive.intervalMs;
  if (failure === undefined) {
    fitness.failures = 0;
    return undefined;
  }
  fitness.failures += 1;
  if (fitness.failures < alive.threshold) return undefined;
  const times = fitness.failures === 1 ? "once" : `${fitness.failures} times in a row`;
  const why = `its liveness check failed ${times}: ${failure}`;
  return decide(fitness, { reason: "liveness", why }, nowMs);
}

/** Counts a sample of the memory of a replica's process tree. */
export function noteMemory(
  fitness: Fitness,
  { maxMemoryBytes }: ResolvedService,
  memoryBytes: number,
  nowMs: number,
): Unfit | undefined {
  if (maxMemoryBytes === undefined || memoryBytes <= maxMemoryBytes) {
    fitness.samplesAbove = 0;
    return undefined;
  }
  fitness.samplesAbove += 1;
  if (fitness.samplesAbove < MEMORY_SAMPLES) return undefined;
  const why = `its processes used ${formatSize(memoryBytes)}, which is more than maxMemory (${formatSize(maxMemoryBytes)})`;
  return decide(fitness, { reason: "memory", why }, nowMs);
}

/** Lets a replica continue that cannot be replaced now, and counts from the start. */
export function postpone(fitness: Fitness, nowMs: number, pauseMs: number = AGAIN_MS): void {
  fitness.unfit = undefined;
  fitness.failures = 0;
  fitness.samplesAbove = 0;
  fitness.notBeforeMs = nowMs + pauseMs;
}

function decide(fitness: Fitness, unfit: Unfit, nowMs: number): Unfit | undefined {
  if (fitness.unfit !== undefined || nowMs < fitness.notBeforeMs) return undefined;
  fitness.unfit = unfit;
  return unfit;
}
