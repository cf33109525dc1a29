import { readFileSync } from "node:fs";

import type { KernelEvent, SocketInfo } from "./api.ts";
import type { ClaimRecord, JournalRecord, ProcessRecord } from "./journal.ts";

/** What an earlier kernel of the home held when it ended. */
export interface PastState {
  readonly sameBoot: boolean;
  readonly lastEvent: number;
  readonly events: readonly KernelEvent[];
  readonly sockets: ReadonlyMap<string, SocketInfo>;
  readonly values: Map<string, string>;
  readonly claims: ReadonlyMap<string, ClaimRecord>;
  readonly processes: ReadonlyMap<string, PastProcess>;
}

interface PastProcess {
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
  const claims = new Map<string, ClaimRecord>();
  const events: KernelEvent[] = [];
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
        claims.set(record.name, record);
        break;
      case "event":
        events.push(record.event);
        lastEvent = Math.max(lastEvent, record.event.seq);
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
  return { sameBoot: boot === bootId(), lastEvent, events, sockets, values, claims, processes };
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
