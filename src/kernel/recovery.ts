import { readFileSync } from "node:fs";

import type { KernelEvent } from "./api.ts";
import type {
  ClaimRecord,
  JournalRecord,
  ProcessRecord,
  ReaderRecord,
  SocketRecord,
} from "./journal-records.ts";

/** The state of an earlier kernel of the home when it ended. */
export interface PastState {
  /** The boot in which the journal was written; missing when there is no journal. */
  readonly bootId: string | undefined;
  readonly sameBoot: boolean;
  readonly lastEvent: number;
  readonly events: readonly KernelEvent[];
  readonly sockets: ReadonlyMap<string, SocketRecord>;
  /** Names of sockets that refuse their clients, including those of another boot. */
  readonly refusing: ReadonlySet<string>;
  readonly values: Map<string, string>;
  readonly claims: ReadonlyMap<string, ClaimRecord>;
  readonly processes: Map<string, PastProcess>;
  /** Processes that may have been started, by id: their pid was not journalled. */
  readonly starting: ReadonlyMap<string, ProcessRecord>;
  /** The newest position of each reader of each process. */
  readonly readers: readonly ReaderRecord[];
}

export interface PastProcess {
  readonly record: ProcessRecord;
  /** Whether the process was removed while it ran. */
  leaving?: boolean;
  /** Whether the process has left the list already. */
  left?: boolean;
  ready: boolean;
  status?: string;
  endedMs?: number;
  exitCode?: number | null;
  incomplete?: boolean;
}

/** The id of this boot of the machine: pids and sockets of another boot are invalid. */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** Replays a journal. */
export function replay(records: readonly JournalRecord[]): PastState {
  const state: Replayed = {
    bootId: undefined,
    lastEvent: 0,
    events: [],
    sockets: new Map(),
    refusing: new Set(),
    values: new Map(),
    claims: new Map(),
    processes: new Map(),
    starting: new Map(),
    readers: new Map(),
  };
  for (const record of records) apply(state, record);
  return {
    ...state,
    sameBoot: state.bootId === bootId(),
    readers: livingReaders(state.readers, state.processes),
  };
}

interface Replayed {
  bootId: string | undefined;
  lastEvent: number;
  readonly events: KernelEvent[];
  readonly sockets: Map<string, SocketRecord>;
  readonly refusing: Set<string>;
  readonly values: Map<string, string>;
  readonly claims: Map<string, ClaimRecord>;
  readonly processes: Map<string, PastProcess>;
  readonly starting: Map<string, ProcessRecord>;
  readonly readers: Map<string, ReaderRecord>;
}

function forgetBoot({ sockets, processes, starting, readers, claims }: Replayed): void {
  for (const each of [sockets, processes, starting, readers]) each.clear();
  for (const [name, { epoch }] of claims) claims.set(name, { type: "claim", name, epoch });
}

function apply(state: Replayed, record: JournalRecord): void {
  switch (record.type) {
    case "boot":
      // Processes and sockets before this line are those of another boot if the file was not replaced since.
      if (state.bootId !== undefined && state.bootId !== record.bootId) forgetBoot(state);
      state.bootId = record.bootId;
      break;
    case "seq":
      state.lastEvent = record.seq;
      break;
    case "socket":
      state.sockets.set(record.info.name, record);
      break;
    case "socket removed":
      state.sockets.delete(record.name);
      state.refusing.delete(record.name);
      break;
    case "socket refusing":
      if (record.refusing) state.refusing.add(record.name);
      else state.refusing.delete(record.name);
      break;
    case "value":
      state.values.set(record.name, record.value);
      break;
    case "value removed":
      state.values.delete(record.name);
      break;
    case "claim":
      state.claims.set(record.name, record);
      break;
    case "event":
      state.events.push(record.event);
      state.lastEvent = Math.max(state.lastEvent, record.event.seq);
      break;
    case "reader":
      state.readers.set(JSON.stringify([record.process, record.pid, record.reader]), record);
      break;
    case "process starting":
      state.starting.set(record.record.id, record.record);
      break;
    case "process":
      state.starting.delete(record.id);
      state.processes.set(record.id, { record, ready: false });
      break;
    case "process removed":
      state.starting.delete(record.id);
      state.processes.delete(record.id);
      break;
    case "process leaving":
    case "process left":
    case "process ready":
    case "process ended":
      applyToProcess(state.processes.get(record.id), record);
      break;
  }
}

/** Removes the readers of processes that are not in the list any more. */
function livingReaders(
  readers: ReadonlyMap<string, ReaderRecord>,
  processes: ReadonlyMap<string, PastProcess>,
): ReaderRecord[] {
  const kept = new Set([...processes.values()].map(({ record }) => record.info.pid));
  return [...readers.values()].filter(({ pid }) => kept.has(pid));
}

function applyToProcess(
  past: PastProcess | undefined,
  record: Extract<
    JournalRecord,
    { type: "process ready" | "process ended" | "process leaving" | "process left" }
  >,
): void {
  if (past === undefined) return;
  if (record.type === "process ready") {
    past.ready = record.ready;
    if (record.status !== undefined) past.status = record.status;
  } else if (record.type === "process leaving") {
    past.leaving = true;
  } else if (record.type === "process left") {
    past.left = true;
  } else {
    past.endedMs = record.endedMs;
    past.exitCode = record.exitCode;
    past.incomplete = record.incomplete === true;
  }
}
