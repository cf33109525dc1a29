import { spawn, spawnSync } from "node:child_process";
import type { Socket } from "node:net";
import { Worker } from "node:worker_threads";

import { programPath } from "../base/modules.ts";
import { environmentWithoutPreload } from "../base/node-options.ts";
import { socketTransport } from "../wire/transport.ts";
import { MARK_VARIABLE, type Guard } from "./guard.ts";
import type { PoolTransport } from "./link.ts";
import { inheritedFlags, type Settings } from "./options.ts";
import { threadTransport } from "./thread-transport.ts";
import { WorkerGroup } from "./worker-group.ts";

/** How a worker ended. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** What ended a thread, or kept a process from starting. */
  readonly error?: Error;
}

/** A worker that was started; it does nothing before it is sent its setup. */
export interface Launched {
  readonly pid: number;
  readonly transport: PoolTransport;
  onEnd(listener: (end: WorkerEnd) => void): void;
  kill(): void;
  /** SIGTERM for its process group, which the worker itself ignores. */
  terminateGroup(): void;
}

/**
 * Starts a worker. It does not keep this program going: the pool does, while there are tasks.
 *
 * @param guard - of a pool whose workers lead process groups
 */
export function launch(settings: Settings, guard: Guard | undefined): Launched {
  return settings.kind === "process" ? launchProcess(settings, guard) : launchThread(settings);
}

function launchProcess(
  { execArgv = inheritedFlags(process.execArgv), env }: Settings,
  guard: Guard | undefined,
): Launched {
  const program = programPath("pool/worker/process-main");
  const { command, wrapper, mark } = dieWithParent();
  const groupMark = guard?.newMark();
  const groupEnv = groupMark === undefined ? {} : { [MARK_VARIABLE]: groupMark };
  const args = [...wrapper, ...execArgv, program];
  const child = spawn(command, args, {
    stdio: ["ignore", "inherit", "inherit", "pipe"],
    env: { ...environmentWithoutPreload(process.env), ...env, ...mark, ...groupEnv },
    detached: guard !== undefined,
    windowsHide: true,
  });
  // Without a free descriptor there are none at all, whatever the types say; `error` follows.
  const socket = (child.stdio as typeof child.stdio | undefined)?.[3] as Socket | undefined;
  socket?.unref();
  child.unref();
  const { pid } = child;
  const group =
    guard === undefined || groupMark === undefined || pid === undefined
      ? undefined
      : new WorkerGroup(pid, groupMark, guard);
  child.once("exit", () => group?.end());
  return {
    pid: pid ?? 0,
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

function launchThread({ execArgv, env, resourceLimits, title }: Settings): Launched {
  const worker = new Worker(programPath("pool/worker/thread-main"), {
    env: { ...environmentWithoutPreload(process.env), ...env },
    name: title,
    ...(execArgv === undefined ? {} : { execArgv: [...execArgv] }),
    ...(resourceLimits === undefined ? {} : { resourceLimits }),
  });
  let error: Error | undefined;
  worker.on("error", (thrown: unknown) => {
    error = thrown instanceof Error ? thrown : new Error(String(thrown));
  });
  return {
    pid: process.pid,
    transport: threadTransport(worker),
    onEnd: (listener) =>
      worker.once("exit", (code) =>
        listener({ code, signal: null, ...(error === undefined ? {} : { error }) }),
      ),
    kill: () => void worker.terminate(),
    terminateGroup: () => undefined,
  };
}

interface ParentDeath {
  readonly command: string;
  readonly wrapper: readonly string[];
  /** For the environment: the worker has to see to it itself. */
  readonly mark: Readonly<Record<string, string | undefined>>;
}

let parentDeath: ParentDeath | undefined;

/**
 * How a worker is made to end with its parent even while its event loop is blocked. setpriv (of
 * util-linux) asks the kernel for it and then becomes the worker, which costs a millisecond; without
 * it the worker has to load the FFI library for that one call, 15 ms and 10 MB.
 */
function dieWithParent(): ParentDeath {
  parentDeath ??= findParentDeath();
  return parentDeath;
}

function findParentDeath(): ParentDeath {
  const bare = { command: process.execPath, wrapper: [] };
  if (process.platform !== "linux") return { ...bare, mark: {} };
  const flags = ["--pdeathsig", "KILL", "--"];
  const { status } = spawnSync("setpriv", [...flags, "true"], { stdio: "ignore" });
  return status === 0
    ? { command: "setpriv", wrapper: [...flags, process.execPath], mark: {} }
    : { ...bare, mark: { NEWEL_POOL_PDEATHSIG: "1" } };
}
