import { writeSync } from "node:fs";

import { PRELOAD_ENV } from "../base/preload.ts";
import type { Home } from "../base/home.ts";
import { watchLock } from "../base/home-watch.ts";
import type { Log } from "../base/json-log.ts";
import { Bus } from "../bus/bus.ts";
import { openDaemonLog } from "../bus/daemon-log.ts";
import { signals } from "../bus/plugins/signals.ts";
import { notifySystemd } from "../bus/plugins/systemd.ts";
import { KERNEL_EXIT } from "./exit-codes.ts";
import { keepStored, takeStored } from "./fd-store.ts";
import { becomeFrugal } from "./frugal.ts";
import { openKernel, type OpenKernel } from "./kernel.ts";
import { type KernelServer, serveKernel } from "./server.ts";
import { packageVersion } from "../base/version.ts";
import { forgetHandover, type ReceivedHandover } from "./handover.ts";
import { removeTrials } from "./trial.ts";
import { Upgrades } from "./upgrades.ts";

export interface DaemonOptions {
  /** The home; the caller must hold its lock, see home-lock. */
  readonly home: Home;
  /** A loopback TCP port to listen on in addition. */
  readonly port?: number;
  /** The descriptor of the home's lock, which must survive an upgrade. */
  readonly lockFd: number;
  /** Whether a client that needs a kernel started this one. */
  readonly autostart?: boolean;
  /** The descriptors that the previous image of this process left. */
  readonly handover?: ReceivedHandover;
  /** The logger. Default: JSON lines to stdout. */
  readonly log?: Log;
}

/**
 * Serves the kernel of a home until a signal or `exit-if-idle` ends it. Its child processes continue to run,
 * and the next kernel of the home finds them.
 *
 * @returns the exit code
 */
export async function runKernel(options: DaemonOptions): Promise<number> {
  const { home } = options;
  const version = packageVersion();
  const log = options.log ?? openDaemonLog(home.kernelLog);
  const bus = new Bus({ name: "kernel" });
  bus.subscribe("log", ({ level, message, error }) =>
    log[level](error === undefined ? {} : { err: error }, message),
  );
  signals(bus);
  notifySystemd(bus);
  const upgrades = new Upgrades(options, log);

  bus.subscribe("start", async () => {
    removeTrials(home);
    forgetHandover(home);
    const stored = openStored(options, version, log);
    const { kernel } = stored;
    bus.subscribe("stop", () => upgrades.abandon(), { priority: 10, name: "upgrades" });
    bus.subscribe("stop", () => stored.stopStoring(), { priority: 50, name: "store" });
    bus.subscribe("stop", () => kernel.keepClaims(), { priority: 30, name: "claims" });
    bus.subscribe("stop", () => kernel.close(), { priority: 60, name: "kernel" });
    const server: KernelServer = await serveKernel({
      kernel,
      version,
      upgrade: (wanted) => upgrades.begin(wanted, kernel, server),
      path: home.kernelSocket,
      ...(options.port === undefined ? {} : { port: options.port }),
      ...(options.handover?.listeners === undefined
        ? {}
        : { listeners: options.handover.listeners }),
      log: (text, error) => log.error(error === undefined ? {} : { err: error }, text),
    });
    bus.subscribe("stop", () => server.close(), { priority: 40, name: "server" });
    void server.unused.then(() => bus.exit(0));
    watchLock(home.kernelLock, () => {
      log.error(
        { home: home.directory },
        "The home was removed or replaced: clients cannot reach this kernel.",
      );
      void bus.exit(KERNEL_EXIT.failed);
    });
    log.info({ home: home.directory, port: server.port, version }, "The kernel serves its home.");
    if (options.autostart === true) endUnlessUsed(kernel, server, () => void bus.exit(0));
    becomeFrugal();
    sayReady(server);
  });

  await bus.start();
  return bus.block();
}

/** Opens the kernel with the sockets it was left, and keeps systemd's fd store in step with it. */
function openStored(
  { home, handover }: DaemonOptions,
  version: string,
  log: Log,
): { readonly kernel: OpenKernel; stopStoring(): void } {
  const stored = takeStored();
  const kernel = openKernel(home, {
    version,
    notice: (text) => log.warn(text),
    handover: handover ?? { sockets: stored, readers: {} },
    upgraded: handover !== undefined,
  });
  const stopStoring = keepStored(kernel, {
    stored,
    failed: (error) => log.warn({ err: error }, "systemd keeps no copy of a socket."),
  });
  return { kernel, stopStoring };
}

/** After this time without any client, a kernel that a client started ends as unneeded, in milliseconds. */
const UNUSED_MS = 30_000;
/**
 * Ends a kernel without clients: of many started at once, one may be ready only after all clients have gone.
 */
function endUnlessUsed(kernel: OpenKernel, server: KernelServer, end: () => void): void {
  setTimeout(() => {
    if (!server.used && kernel.idle()) end();
  }, UNUSED_MS).unref();
}

/** Reports readiness to the process that started this one and waits. */
function sayReady(server: KernelServer): void {
  const fd = Number(process.env[PRELOAD_ENV.notifyFd] ?? Number.NaN);
  // Reported once: after an upgrade the number belongs to another descriptor.
  delete process.env[PRELOAD_ENV.notifyFd];
  if (!Number.isInteger(fd)) return;
  const port = server.port === undefined ? "" : `STATUS=port ${server.port}\n`;
  writeSync(fd, `${port}READY=1\n`);
}
