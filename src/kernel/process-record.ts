import { crc32 } from "../base/crc32.ts";
import { newelError } from "../base/errors.ts";
import type { ProcessRequest, StreamName } from "./process-api.ts";
import { look } from "./proc.ts";
import type { JournalRecord, ProcessRecord } from "./journal-records.ts";
import type { Launch } from "./launch.ts";

const BUFSIZE = 1 << 20;

/** A process and its last notification. */
interface Said {
  readonly record: ProcessRecord;
  readonly ready: boolean;
  readonly status: string | undefined;
}

/** Everything that the journal keeps of a process. */
interface Kept extends Said {
  /** Whether the process was removed while it ran. */
  readonly leaving: boolean;
  readonly endedMs: number | undefined;
  readonly exitCode: number | null | undefined;
  readonly incomplete: boolean;
}

/** The streams of a process that are kept. */
export function capturedStreams(request: ProcessRequest): StreamName[] {
  if (request.bufsize === 0) return [];
  const streams: StreamName[] = [];
  if (request.stdout !== false) streams.push("out");
  if (request.stderr !== false && request.stderr !== "stdout") streams.push("err");
  return streams;
}

/** The journal record of a process that is about to be started: complete except for the pid, which is 0. */
export function planProcess(
  request: ProcessRequest,
  launch: Launch,
  facts: { id: string; settings: string; streams: readonly StreamName[] },
): ProcessRecord {
  const mark = request.env?.["NEWEL_MARK"];
  return {
    type: "process",
    id: facts.id,
    info: {
      name: request.name,
      pid: 0,
      startedMs: Date.now(),
      args: request.args,
      workingDir: launch.workingDir,
      ...(launch.uid === undefined ? {} : { uid: launch.uid }),
      ...(launch.gid === undefined ? {} : { gid: launch.gid }),
      ...(request.shell === true ? { shell: true } : {}),
    },
    startTicks: 0,
    settings: facts.settings,
    bufsize: request.bufsize ?? BUFSIZE,
    ...(request.group === undefined ? {} : { group: request.group }),
    ...(request.maxAgeMs === undefined ? {} : { maxAgeMs: request.maxAgeMs }),
    streams: facts.streams,
    sockets: launch.sockets,
    ...(mark === undefined ? {} : { mark }),
  };
}

/** The record of a process that was just started from its plan. */
export function describeProcess(plan: ProcessRecord, pid: number): ProcessRecord {
  const seen = look(pid);
  if (seen === undefined)
    throw newelError("NEWEL_E_INTERNAL", { what: `child ${pid} is not in /proc` });
  return {
    ...plan,
    info: { ...plan.info, pid, startedMs: Date.now() },
    startTicks: seen.startTicks,
  };
}

/** The record of the last notification of a process. */
export function readyRecord({ record, ready, status }: Said): JournalRecord {
  return {
    type: "process ready",
    id: record.id,
    ready,
    ...(status === undefined ? {} : { status }),
  };
}

/** A hash that identifies a request, without keeping the environment itself. */
export function hashSettings(request: ProcessRequest): string {
  const inOrder = (entries: [string, unknown][]): [string, unknown][] =>
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
  const env = inOrder(Object.entries(request.env ?? {}));
  const sorted = inOrder(Object.entries({ ...request, env }));
  const text = JSON.stringify(sorted);
  return `${crc32(text).toString(16)}-${text.length}`;
}

/** The records that a process is restored from. */
export function* snapshotOf(managed: Kept, hasLeft: boolean): Iterable<JournalRecord> {
  const { record, ready, status, endedMs, exitCode, incomplete } = managed;
  const { id } = record;
  yield record;
  if (hasLeft) yield { type: "process left", id };
  if (managed.leaving) yield { type: "process leaving", id };
  if (ready || status !== undefined) yield readyRecord(managed);
  if (endedMs === undefined) return;
  const lossy = incomplete ? { incomplete } : {};
  yield { type: "process ended", id, endedMs, exitCode: exitCode ?? null, ...lossy };
}
