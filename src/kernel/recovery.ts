import { readFileSync } from "node:fs";

import type { SocketInfo } from "./api.ts";
import type { JournalRecord, ProcessRecord } from "./journal.ts";

/** What an earlier kernel of the home held when it ended. */
export interface PastState {
  readonly sameBoot: boolean;
  readonly lastEvent: number;
  readonly sockets: ReadonlyMap<string, SocketInfo>;
  readonly values: Map<string, string>;
  readonly epochs: ReadonlyMap<string, number>;
  readonly processes: ReadonlyMap<string, PastProcess>;
}

export interface PastProcess {
  readonly record: ProcessRecord;
  ready: boolean;
  status?: string;
  endedMs?: number;
  exitCode?: number | null;
}

/** This boot of the machine: pids and sockets of another one mean nothing. */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** Replays a journal. */
export function replay(records: readonly JournalRecord[]): PastState {
  const sockets = new Map<string, SocketInfo>();
  const values = new Map<string, string>();
  const epochs = new Map<string, number>();
  const processes = new Map<string, PastProcess>();
  let boot: string | undefined;
  let lastEvent = 0;
  for (const record of records) {
    switch (record.type) {
      case "boot":
        boot = record.bootId;
        break;
      case "seq":
        lastEvent = record.seq;
        break;
      case "socket":
        sockets.set(record.info.name, record.info);
        break;
      case "socket removed":
        sockets.delete(record.name);
        break;
      case "value":
        values.set(record.name, record.value);
        break;
      case "value removed":
        values.delete(record.name);
        break;
      case "claim":
        epochs.set(record.name, record.epoch);
        break;
      case "process":
        processes.set(record.id, { record, ready: false });
        break;
      case "process removed":
        processes.delete(record.id);
        break;
      case "process ready":
      case "process ended":
        applyToProcess(processes.get(record.id), record);
        break;
    }
  }
  // Each record stands for at most a few events: the next kernel begins above anything that was told.
  return {
    sameBoot: boot === bootId(),
    lastEvent: lastEvent + 4 * records.length,
    sockets,
    values,
    epochs,
    processes,
  };
}

function applyToProcess(
  past: PastProcess | undefined,
  record: Extract<JournalRecord, { type: "process ready" | "process ended" }>,
): void {
  if (past === undefined) return;
  if (record.type === "process ready") {
    past.ready = record.ready;
    if (record.status !== undefined) past.status = record.status;
  } else {
    past.endedMs = record.endedMs;
    past.exitCode = record.exitCode;
  }
}
