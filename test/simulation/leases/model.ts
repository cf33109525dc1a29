import type { Lease, LeaseBook, LeaseTerms } from "../../../src/jobs/server/lease-book.ts";
import type { SimulatedJob } from "./store.ts";

/** Makes the machine of a server, as it is or with a mistake in it. */
export type MakeBook = (terms: LeaseTerms) => LeaseBook;

export const INVARIANTS = [
  "a lease of a healthy server is never lost",
  "an attempt that has lost its job is told soon",
  "a write lands only while its attempt has the job",
  "every job ends",
  "a lease that is over is forgotten",
] as const;
export type Invariant = (typeof INVARIANTS)[number];

export interface Violation {
  readonly invariant: Invariant;
  readonly atMs: number;
  readonly what: string;
}

export interface SimulatedRun {
  readonly steps: number;
  readonly checks: ReadonlyMap<Invariant, number>;
  readonly violations: readonly Violation[];
  readonly log: readonly string[];
}

/** One attempt that a server believes in. */
export interface Attempt {
  readonly server: Server;
  readonly lease: Lease;
  readonly job: SimulatedJob;
  readonly taking: number;
  isTold: boolean;
  isExecuting: boolean;
  /** Awake since the store gave the job to another attempt. */
  unnoticedMs: number;
  isHealthy: boolean;
  /** Writes under way: the end waits for them. */
  writes: number;
  /** How often the store cannot take the end, as with a full disk. */
  fullTimes: number;
}

export interface Server {
  readonly number: number;
  book: LeaseBook;
  generation: number;
  /** Standing still until then. */
  frozenUntilMs: number;
  cutUntilMs: number;
  faultMs: number;
  readonly attempts: Set<Attempt>;
  readonly inbox: (() => void)[];
  /** Free tokens: each has one job at a time, and is used again. */
  readonly tokens: string[];
}
