import { closeSync, openSync } from "node:fs";

import type { Home } from "../base/home.ts";
import { toFileName } from "../base/names.ts";
import { spawnProcess, withUmask } from "../posix/spawn.ts";
import type { ProcessRequest } from "./process-api.ts";
import type { EventLog } from "./events.ts";
import { isDiskTrouble, type Journal, notKept } from "./journal.ts";
import type { ProcessRecord } from "./journal-records.ts";
import { type Launch, prepareLaunch } from "./launch.ts";
import { type ManagedProcess, openOutput } from "./managed-process.ts";
import type { KeptOutput } from "./output.ts";
import { Pipes } from "./pipes.ts";
import { capturedStreams, describeProcess, planProcess } from "./process-record.ts";
import type { SocketTable } from "./sockets.ts";

/** Of a file name, which may have 255 bytes: the rest is for the unique suffix. */
const ID_NAME_BYTES = 200;

/** The parts that a start needs. */
interface StartParts {
  readonly home: Home;
  readonly journal: Journal;
  readonly events: EventLog;
  readonly sockets: SocketTable;
  readonly notice: (text: string) => void;
}

/** The callbacks of the process table for a start. */
export interface Starting {
  /** Called when the process exists: the table lists it. */
  readonly begin: (record: ProcessRecord, output: KeptOutput) => ManagedProcess;
  /** Called when the start failed: the table removes the files that were made for it. */
  readonly discard: (id: string, output: KeptOutput | undefined) => void;
}

/**
 * Makes a process, with its pipes, its output and its sockets. Its journal line is written before the process
 * exists.
 *
 * @throws a system error with EMFILE or ENFILE when too few descriptors would be left
 * @throws NEWEL_E_NOT_KEPT when the journal or a pipe cannot be written; no process is left then
 */
export function startProcess(
  request: ProcessRequest,
  settings: string,
  parts: StartParts,
  table: Starting,
): ManagedProcess {
  keepSpareDescriptors();
  const { home, events, journal, sockets } = parts;
  const launch = prepareLaunch(request, (name) => sockets.find(name));
  // The suffix includes the time: a home that lost its journal numbers events from 1 again, and old files may
  // exist.
  const unique = `${events.last + 1}-${Date.now().toString(36)}`;
  const id = `${toFileName(request.name).slice(0, ID_NAME_BYTES)}~${unique}`;
  const streams = capturedStreams(request);
  const plan = planProcess(request, launch, { id, settings, streams });
  const pipes = new Pipes(home, id);
  let output: KeptOutput | undefined;
  let pid: number | undefined;
  try {
    output = openOutput(home, plan, parts.notice);
    for (const stream of streams) pipes.make(stream, launch);
    if (request.notify === true) pipes.make("notify", launch);
    const descriptors = pipes.descriptors(request, socketsFor(sockets, launch, pipes));
    // If this kernel dies from here on, the next one searches for the process.
    journal.commit({ type: "process starting", record: plan });
    pid = withUmask(request.umask, () => spawnProcess({ ...launch, descriptors }));
    const managed = table.begin(describeProcess(plan, pid), output);
    for (const stream of streams) managed.capture(stream, pipes.reader(stream));
    if (request.notify === true) managed.listenToNotify(pipes.reader("notify"));
    events.record({ type: "made", noun: "process", name: request.name, pid });
    return managed;
  } catch (error) {
    if (pid !== undefined) process.kill(pid, "SIGKILL");
    pipes.remove();
    table.discard(id, output);
    throw isDiskTrouble(error) ? notKept(home.directory, error) : error;
  } finally {
    pipes.closeOwn();
  }
}

/** The descriptors that a start leaves free. */
const SPARE = 24;

/**
 * Refuses a start that would leave too few descriptors for the rest of the work: reading /proc and the output,
 * accepting clients, stopping the process again.
 *
 * @throws a system error with EMFILE or ENFILE
 */
function keepSpareDescriptors(): void {
  const spare: number[] = [];
  try {
    while (spare.length < SPARE) spare.push(openSync("/dev/null", "r"));
  } finally {
    for (const fd of spare) closeSync(fd);
  }
}

function socketsFor(sockets: SocketTable, launch: Launch, pipes: Pipes): number[] {
  return launch.sockets.map((name) => {
    const { fd, fresh } = sockets.descriptorFor(name);
    if (fresh) pipes.closeLater(fd);
    return fd;
  });
}
