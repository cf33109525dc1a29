import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Socket } from "node:net";
import type * as Sea from "node:sea";

import { newelError } from "../base/errors.ts";
import { programPath } from "../base/modules.ts";
import { environmentWithoutPreload } from "../base/node-options.ts";
import { socketTransport } from "../wire/transport.ts";
import { MARK_VARIABLE, type Guard } from "./guard.ts";
import type { PoolTransport } from "./link.ts";
import { dieWithParent } from "./parent-death.ts";
import { inheritedFlags, type Settings } from "./settings.ts";
import { ProgressFile } from "./progress-file.ts";
import { NO_RECORD, type ProgressRecord } from "./progress.ts";
import { SharedRecord } from "./shared-record.ts";
import { threadTransport, type ThreadInit } from "./thread-transport.ts";
import type { WorkerEnd } from "./worker-end.ts";
import { WorkerGroup } from "./worker-group.ts";
import type { OutputStreams } from "./worker-output.ts";

/** A worker that was started; it waits for its setup. */
export interface Launched {
  readonly pid: number;
  readonly transport: PoolTransport;
  /** Its standard output and error, for a pool that reads them. */
  readonly output: OutputStreams | undefined;
  onEnd(listener: (end: WorkerEnd) => void): void;
  kill(): void;
  /** Sends SIGTERM to its process group; the worker itself ignores it. */
  terminateGroup(): void;
  readonly progress: ProgressRecord;
}

/**
 * Starts a worker. It does not keep this program alive: the pool does, while there are tasks.
 *
 * @param guard - for a pool whose workers lead process groups
 */
export function launch(settings: Settings, guard: Guard | undefined): Launched {
  return settings.kind === "process" ? launchProcess(settings, guard) : launchThread(settings);
}

/**
 * Refuses settings that can start no worker, when the pool is made.
 *
 * @throws NEWEL_E_POOL_PROGRAM
 */
export function checkLaunch({ kind, name }: Settings): void {
  const program = programPath(`pool/worker/${kind}-main`);
  const refusal = (why: string, advice: string): Error =>
    newelError("NEWEL_E_POOL_PROGRAM", { pool: name, why, advice });
  if (kind === "process" && isOwnExecutable())
    throw refusal(
      "this program is a single executable, of which each worker process would be another instance",
      'Use `kind: "thread"`, or run the program with node.',
    );
  if (!existsSync(program))
    throw refusal(
      `${program} is not there, most likely because the program was bundled`,
      "Keep the package newel out of the bundle (external), with its files next to it.",
    );
}

/** Whether this program's executable is not Node.js itself, but a program built with it. */
function isOwnExecutable(): boolean {
  // Without that module there are no single executables either.
  const sea = process.getBuiltinModule("node:sea") as typeof Sea | undefined;
  return sea?.isSea() === true || "pkg" in process;
}

/** Electron's executable is Node.js when this is set. */
const AS_NODE = process.versions["electron"] === undefined ? {} : { ELECTRON_RUN_AS_NODE: "1" };

function launchProcess(
  { execArgv = inheritedFlags(process.execArgv), env, readsOutput }: Settings,
  guard: Guard | undefined,
): Launched {
  const program = programPath("pool/worker/process-main");
  const { command, wrapper, mark } = dieWithParent();
  const groupMark = guard?.newMark();
  const groupEnv = groupMark === undefined ? {} : { [MARK_VARIABLE]: groupMark };
  const args = [...wrapper, ...execArgv, program];
  const progress = ProgressFile.create();
  const output = readsOutput ? "pipe" : "inherit";
  const child = spawn(command, args, {
    stdio: ["ignore", output, output, "pipe", progress?.fd ?? "ignore"],
    env: { ...environmentWithoutPreload(process.env), ...AS_NODE, ...env, ...mark, ...groupEnv },
    detached: guard !== undefined,
    windowsHide: true,
  });
  // Without a free descriptor `stdio` is missing altogether, in spite of its type; `error` follows.
  const socket = (child.stdio as typeof child.stdio | undefined)?.[3] as Socket | undefined;
  socket?.unref();
  const { stdout, stderr } = child;
  for (const stream of [stdout, stderr]) (stream as Socket | null)?.unref();
  child.unref();
  const { pid } = child;
  const group =
    guard === undefined || groupMark === undefined || pid === undefined
      ? undefined
      : new WorkerGroup(pid, groupMark, guard);
  child.once("exit", () => group?.end());
  return {
    pid: pid ?? 0,
    output: stdout === null || stderr === null ? undefined : { stdout, stderr },
    transport: socket === undefined ? NO_TRANSPORT : socketTransport(socket, "a worker"),
    onEnd(listener) {
      child.once("error", (error) => listener({ code: null, signal: null, error }));
      child.once("exit", (code, signal) => listener({ code, signal }));
    },
    kill: () => {
      if (group === undefined) child.kill("SIGKILL");
      else group.signal("SIGKILL");
    },
    terminateGroup: () => group?.signal("SIGTERM"),
    progress: progress ?? NO_RECORD,
  };
}

const NO_TRANSPORT: PoolTransport = {
  peer: "nobody",
  pendingBytes: 0,
  start: () => undefined,
  send: () => true,
  sendAll: () => true,
  pause: () => undefined,
  resume: () => undefined,
  close: () => undefined,
  abort: () => undefined,
};

function launchThread({ execArgv, env, resourceLimits, title, readsOutput }: Settings): Launched {
  // Not imported: a pool of processes starts without it.
  const { MessageChannel, Worker } = process.getBuiltinModule("node:worker_threads");
  const worker = new Worker(programPath("pool/worker/thread-main"), {
    env: defined({ ...environmentWithoutPreload(process.env), ...env }),
    name: title,
    stdout: readsOutput,
    stderr: readsOutput,
    ...(execArgv === undefined ? {} : { execArgv: [...execArgv] }),
    ...(resourceLimits === undefined ? {} : { resourceLimits }),
  });
  // A separate port: `parentPort` belongs to the libraries that the worker loads.
  const { port1, port2 } = new MessageChannel();
  const progress = new SharedRecord();
  const init: ThreadInit = { port: port2, progress: progress.words };
  worker.postMessage(init, [port2]);
  // So that the worker alone does not keep the program alive.
  worker.unref();
  let error: Error | undefined;
  worker.on("error", (thrown: unknown) => {
    error = thrown instanceof Error ? thrown : new Error(String(thrown));
  });
  return {
    pid: process.pid,
    output: readsOutput ? { stdout: worker.stdout, stderr: worker.stderr } : undefined,
    transport: threadTransport(port1, worker),
    onEnd: (listener) =>
      worker.once("exit", (code) =>
        listener({ code, signal: null, ...(error === undefined ? {} : { error }) }),
      ),
    kill: () => void worker.terminate(),
    terminateGroup: () => undefined,
    progress,
  };
}

/** In the environment of a thread `undefined` would become a text. */
function defined(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
