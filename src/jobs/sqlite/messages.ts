import type { StoreOptions } from "./connection.ts";
import type { Wait, Wake } from "./waits.ts";

/** What the store thread is started with. */
export interface ThreadData {
  readonly options: StoreOptions;
  /** Memory of offers.ts. */
  readonly places: Int32Array;
}

/** A call on its way to the store thread. */
export type CallMessage = [
  number: number,
  operation: string,
  queue: string,
  args: readonly unknown[],
];

/** What the main thread sends, at most one a turn of its loop. */
export interface ToThread {
  /** The main thread's clock, milliseconds. */
  readonly now: number;
  readonly calls: readonly CallMessage[];
  readonly waits?: readonly Wait[];
  readonly cancels?: readonly number[];
  /** Places of offers that nobody wants. */
  readonly declines?: readonly number[];
  /** Work on the whole file: check, vacuum, backup. */
  readonly upkeep?: readonly [number: number, kind: UpkeepKind, argument: string][];
  /** The answer to a ping. */
  readonly pong?: number;
  /** There is a worker: dead processes are to be looked for. */
  readonly guard?: boolean;
  readonly close?: boolean;
}

export type UpkeepKind = "check" | "vacuum" | "backup";

/** What came of a call: its value, or its error as JSON has it. */
export type ReplyMessage = [number: number, ok: boolean, value: unknown];

/** What the store thread sends. */
export interface ToMain {
  readonly replies?: readonly ReplyMessage[];
  readonly wakes?: readonly Wake[];
  /** Asks whether the main thread's loop still turns. */
  readonly ping?: number;
  readonly closed?: boolean;
}
