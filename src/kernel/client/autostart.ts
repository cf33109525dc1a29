import { existsSync } from "node:fs";

import { messageOf, newelError, systemCode } from "../../base/errors.ts";
import { findHome, homeAt, type Home } from "../../base/home.ts";
import { launchDaemon } from "../../base/launch-daemon.ts";
import { daemonProgram } from "../../base/runtime.ts";
import { sleep } from "../../base/timers.ts";
import type { ConnectOptions, StoredSockets } from "../client-api.ts";
import { KERNEL_EXIT } from "../exit-codes.ts";
import { FRUGAL_ARGS } from "../frugal-args.ts";
import { type Address, Channel } from "./channel.ts";
import type { Message } from "./line-reader.ts";

const DEFAULT_TIMEOUT_MS = 10_000;
const RETRY_MS = 15;
/** How long another kernel that was seen may take to listen before one is started again. */
const OTHER_MS = 500;

/** How long a running supervisor may take to start a kernel before other clients start one. */
const SUPERVISOR_MS = 500;

/** The error codes of a connect while a kernel is starting, ending, or too busy to accept. */
const NOT_YET = new Set(["ENOENT", "ECONNREFUSED", "ECONNRESET", "EAGAIN", "EPIPE"]);

/** A kernel's address, and the home in which one may be started. */
export interface Target {
  readonly address: Address;
  readonly startIn: Home | undefined;
  readonly timeoutMs: number;
  /** Sockets kept for a kernel that has to be started; their descriptors are passed to it. */
  readonly stored?: () => StoredSockets;
  readonly keepAlive?: boolean;
}

/** Reads the options, without any system call; no kernel is started yet. */
export function toTarget(options: ConnectOptions): Target {
  const { path, port, timeoutMs = DEFAULT_TIMEOUT_MS, keepAlive = true } = options;
  const how = { timeoutMs, keepAlive };
  if (port !== undefined)
    return { address: { host: "127.0.0.1", port }, startIn: undefined, ...how };
  if (path !== undefined) return { address: { path }, startIn: undefined, ...how };
  const home =
    typeof options.home === "string" ? homeAt(options.home) : (options.home ?? findHome());
  const startIn = options.autostart === false ? undefined : home;
  return { address: { path: home.kernelSocket }, startIn, ...how };
}

/**
 * Connects, starting a kernel if there is none and one may be started. Any number of processes may call this
 * at once: all but one of the started kernels end at once, and all processes connect to the remaining one.
 *
 * @throws NEWEL_E_KERNEL_UNREACHABLE
 */
export async function reachKernel(
  target: Target,
  onStream?: (message: Message) => void,
  signal?: AbortSignal,
): Promise<Channel> {
  const { address, startIn, timeoutMs } = target;
  const began = performance.now();
  const until = began + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const channel = await Channel.open(address, onStream);
      if (target.keepAlive === false) channel.unref();
      // The kernel has answered, so its later end is not a failed start.
      if (startIn !== undefined) starts.delete(startIn.directory);
      return channel;
    } catch (error) {
      const code = systemCode(error);
      if (code === undefined || !NOT_YET.has(code)) throw unreachable(target, messageOf(error));
      // Without a kernel that may start, waiting would not help.
      if (startIn === undefined && code !== "EAGAIN") throw unreachable(target, messageOf(error));
      if (performance.now() > until)
        throw unreachable(target, `it did not answer within ${timeoutMs} ms`);
    }
    if (startIn !== undefined && isOurs(target, began)) await start(startIn, target.stored?.());
    await sleep(RETRY_MS, signal);
  }
}

/** A running supervisor has copies of the sockets, so it gets time to start the next kernel with them. */
function isOurs({ startIn, stored }: Target, beganMs: number): boolean {
  if (startIn === undefined || stored !== undefined) return true;
  return !existsSync(startIn.supervisorHolder) || performance.now() - beganMs > SUPERVISOR_MS;
}

/** The state of a kernel that this process started. */
interface Start {
  state: "running" | "other" | "failed";
  sinceMs: number;
  why: string;
}

/** Keyed by home: a process with many clients starts one kernel. */
const starts = new Map<string, Start>();

async function start(home: Home, stored: StoredSockets = {}): Promise<void> {
  const before = starts.get(home.directory);
  if (before?.state === "running") return;
  if (before?.state === "other" && performance.now() - before.sinceMs < OTHER_MS) return;
  starts.delete(home.directory);
  if (before?.state === "failed")
    throw newelError("NEWEL_E_KERNEL_UNREACHABLE", { path: home.kernelSocket, why: before.why });
  const started: Start = { state: "running", sinceMs: performance.now(), why: "" };
  starts.set(home.directory, started);
  const onEnd = (code: number | null, why: string): void => {
    // The kernel served and ended again by exit-if-idle: the next client that needs one starts one.
    if (code === 0) starts.delete(home.directory);
    else started.state = code === KERNEL_EXIT.running ? "other" : "failed";
    started.sinceMs = performance.now();
    started.why = why;
  };
  try {
    const program = await daemonProgram(home, "kernel/main");
    const log = home.kernelLog;
    await launchDaemon({ home, program, log, stored, nodeArgs: FRUGAL_ARGS }, onEnd);
  } catch (error) {
    starts.delete(home.directory);
    throw error;
  }
}

function unreachable({ address }: Target, why: string): Error {
  const path = "path" in address ? address.path : `port ${address.port}`;
  return newelError("NEWEL_E_KERNEL_UNREACHABLE", { path, why });
}
