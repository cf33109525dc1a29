import { connect } from "node:net";

import { sleep } from "../base/timers.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { ResolvedService } from "./config/resolved.ts";
import { httpStatus, probeThroughControl } from "./control.ts";

const FIRST_TRY_MS = 25;
const LAST_TRY_MS = 500;
const LOG_TAIL_CHARACTERS = 64 << 10;

/** The process that a probe asks. */
export interface ProbedProcess {
  readonly kernelName: string;
  readonly controlPath: string;
  /** How long it has been running, in milliseconds. */
  readonly ageMs: number;
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
  switch (probe.kind) {
    case "alive":
      return;
    case "notify":
      return process.saidReady;
    case "log":
      return waitForText(process.kernelName, probe.text, kernel, signal);
    case "tcp":
      return retry(() => connects(probe.host, probe.port), signal);
    case "http": {
      const { address, path, hostHeader } = probe;
      const ask = (): Promise<number | undefined> => {
        if (address === undefined) return probeThroughControl(process.controlPath, path);
        return httpStatus(
          "path" in address ? { socketPath: address.path } : address,
          path,
          hostHeader,
        );
      };
      return retry(async () => isGood(await ask()), signal);
    }
  }
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

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const answer = (connected: boolean): void => {
      socket.destroy();
      resolve(connected);
    };
    socket.setTimeout(LAST_TRY_MS, () => answer(false));
    socket.on("connect", () => answer(true));
    // Nobody listens yet: asked again.
    socket.on("error", () => answer(false));
  });
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
