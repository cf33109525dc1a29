import type { StoreOptions } from "./connection.ts";
import type { Wait, Wake } from "./waits.ts";

/** The data that the store thread is started with. */
export interface ThreadData {
  readonly options: StoreOptions;
  /** The shared memory of offers.ts. */
  readonly places: Int32Array;
}

/** A call on its way to the store thread. */
export type CallMessage = [
  number: number,
  operation: string,
  queue: string,
  args: readonly unknown[],
];

/** A message of the main thread; at most one is sent in a turn of its event loop. */
export interface ToThread {
  /** The main thread's clock, milliseconds. */
  readonly now: number;
  readonly calls: readonly CallMessage[];
  readonly waits?: readonly Wait[];
  readonly cancels?: readonly number[];
  /** Places of offers that no worker wants. */
  readonly declines?: readonly number[];
  /** Work on the whole file: check, vacuum, backup. */
  readonly upkeep?: readonly [number: number, kind: UpkeepKind, argument: string][];
  /** The answer to a ping. */
  readonly pong?: number;
  /** There is a worker, so the thread has to check for dead processes. */
  readonly guard?: boolean;
  readonly close?: boolean;
}

export type UpkeepKind = "check" | "vacuum" | "backup";

/** The outcome of a call: its value, or its error as JSON. */
export type ReplyMessage = [number: number, ok: boolean, value: unknown];

/** A message of the store thread. */
export interface ToMain {
  readonly replies?: readonly ReplyMessage[];
  readonly wakes?: readonly Wake[];
  /** Asks whether the main thread's event loop still turns. */
  readonly ping?: number;
  readonly closed?: boolean;
}
