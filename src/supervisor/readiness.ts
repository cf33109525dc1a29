import { sleep } from "../base/timers.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { ResolvedService } from "./config/resolved.ts";
import { type Acceptor, connectTo } from "./acceptor.ts";
import { hasControl, httpStatus, mayListen, probeThroughControl } from "./control.ts";
import { runsNode } from "./runs-node.ts";

const FIRST_TRY_MS = 25;
const LAST_TRY_MS = 500;
/** How long a program that may have no Node.js process has to start one. */
const LONE_MS = 1_000;
/** How long a process that shares its listening socket is asked until it answers itself. */
const SHARED_MS = 3_000;
const LOG_TAIL_CHARACTERS = 64 << 10;

/** The process that a probe asks. */
export interface ProbedProcess {
  readonly kernelName: string;
  readonly controlPath: string;
  /** How long it has been running, in milliseconds. */
  readonly ageMs: number;
  readonly pid: number | undefined;
  /** Resolves when the process says READY=1. */
  readonly saidReady: Promise<void>;
}

/**
 * Resolves when a process is ready as its service defines it. Waits for ever: the caller sets the
 * time limit and watches for the process's end, and ends the wait by `signal`.
 */
export async function probeReady(
  process: ProbedProcess,
  ready: ResolvedService["ready"],
  kernel: KernelClient,
  signal: AbortSignal,
): Promise<void> {
  const alive = sleep(Math.max(0, ready.afterMs - process.ageMs), signal);
  await probeKind(process, ready.probe, kernel, signal);
  await alive;
}

async function probeKind(
  process: ProbedProcess,
  probe: ResolvedService["ready"]["probe"],
  kernel: KernelClient,
  signal: AbortSignal,
): Promise<void> {
  const begunMs = performance.now();
  switch (probe.kind) {
    case "alive":
      return;
    case "notify":
      return process.saidReady;
    case "listen":
      return Promise.race([process.saidReady, withoutNode(process, begunMs, signal)]);
    case "log":
      return waitForText(process.kernelName, probe.text, kernel, signal);
    case "tcp":
      return retry(async () => {
        const accepted = await connectTo(probe.host, probe.port, process.pid);
        accepted?.socket.destroy();
        return accepted !== undefined && isIts(accepted.by, begunMs);
      }, signal);
    case "http": {
      const { address, path, own, hostHeader } = probe;
      const ask = async (): Promise<number | undefined> => {
        if (address === undefined) return probeThroughControl(process.controlPath, path);
        // Past the shared socket, on which another replica may answer.
        if (own === true && (mayHaveNode(process, begunMs) || hasControl(process.controlPath)))
          return probeThroughControl(process.controlPath, path);
        if ("path" in address) return httpStatus({ socketPath: address.path }, path, hostHeader);
        return askItself(process, address, path, { hostHeader, begunMs });
      };
      return retry(async () => isGood(await ask()), signal);
    }
  }
}

/** A program without Node.js processes is ready when it has lived for a second. */
async function withoutNode(
  process: ProbedProcess,
  begunMs: number,
  signal: AbortSignal,
): Promise<void> {
  await retry(
    async () => !mayHaveNode(process, begunMs) && !hasControl(process.controlPath),
    signal,
  );
}

/**
 * Whether the program may have a Node.js process that will listen by the preload.
 *
 * @param begunMs - when the probe began, by the monotonic clock
 */
function mayHaveNode({ controlPath, pid }: ProbedProcess, begunMs: number): boolean {
  if (performance.now() < begunMs + LONE_MS || mayListen(controlPath)) return true;
  // One that is still starting has not reached the preload yet.
  return pid !== undefined && runsNode(pid);
}

function isGood(status: number | undefined): boolean {
  return status !== undefined && status >= 200 && status < 400;
}

async function retry(probe: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  for (let waitMs = FIRST_TRY_MS; !signal.aborted; waitMs = Math.min(LAST_TRY_MS, waitMs * 2)) {
    if (await probe()) return;
    await sleep(waitMs, signal);
  }
}

/** One HTTP request to an address; no status when the answer is not the process's own. */
async function askItself(
  { pid }: ProbedProcess,
  { host, port }: { readonly host: string; readonly port: number },
  path: string,
  { hostHeader, begunMs }: { readonly hostHeader: string | undefined; readonly begunMs: number },
): Promise<number | undefined> {
  const accepted = await connectTo(host, port, pid);
  if (accepted === undefined) return undefined;
  const { socket, by } = accepted;
  if (isIts(by, begunMs)) return httpStatus({ createConnection: () => socket }, path, hostHeader);
  socket.destroy();
  return undefined;
}

/**
 * Whether an answer counts for the process. Replicas that share a listening socket without the
 * preload cannot be asked one by one: when only others have answered for some seconds, an answer
 * counts for this one too.
 */
function isIts(by: Acceptor, begunMs: number): boolean {
  return by === "own" || (by === "shared" && performance.now() > begunMs + SHARED_MS);
}

async function waitForText(
  name: string,
  text: string,
  kernel: KernelClient,
  signal: AbortSignal,
): Promise<void> {
  let seen = "";
  for await (const item of kernel.processes.watch(name, { signal })) {
    if ("ended" in item) return new Promise(() => {});
    seen = (seen + item.data.toString("utf8")).slice(-LOG_TAIL_CHARACTERS);
    if (seen.includes(text)) return;
  }
}
