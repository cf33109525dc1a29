import { writeSync } from "node:fs";

import { newelError } from "../base/errors.ts";
import { collectWhenIdle } from "../base/garbage.ts";
import { type Home, makeHome } from "../base/home.ts";
import { watchLock } from "../base/home-watch.ts";
import type { Log } from "../base/json-log.ts";
import { PRELOAD_ENV } from "../base/preload.ts";
import { pruneRuntimes } from "../base/runtime-prune.ts";
import { packageVersion } from "../base/version.ts";
import { Bus } from "../bus/bus.ts";
import { openDaemonLog } from "../bus/daemon-log.ts";
import { signals } from "../bus/plugins/signals.ts";
import { notifySystemd } from "../bus/plugins/systemd.ts";
import { connectKernel } from "../kernel/client/client.ts";
import type { KernelClient, StoredSockets } from "../kernel/client-api.ts";
import { serveUnix } from "../wire/unix.ts";
import { SUPERVISOR_CONTRACT } from "./contract.ts";
import { SUPERVISOR_EXIT } from "./exit-codes.ts";
import { executeSupervisor } from "./replacement.ts";
import { SocketHolder } from "./socket-holder.ts";
import { Supervisor } from "./supervisor.ts";

/** How long the kernel may take to answer at the start: on a busy machine it has to be started first. */
const KERNEL_MS = 30_000;
/** After that long without client and app, one that a client started was not needed, in milliseconds. */
const UNUSED_MS = 30_000;

/**
 * Supervises the apps of a home until a signal or `quit` ends it. Services run on: the next
 * supervisor finds them through the kernel.
 *
 * @returns the exit code
 */
export async function runSupervisor(options: {
  readonly home: Home;
  /** The home's lock, which is held: it has to outlive an upgrade. */
  readonly lockFd: number;
  /** Started by a client that needs some supervisor. Default false. */
  readonly autostart?: boolean;
  readonly log?: Log;
}): Promise<number> {
  const { home } = options;
  const version = packageVersion();
  const log = options.log ?? openDaemonLog(home.supervisorLog);
  const bus = new Bus({ name: "supervisor" });
  bus.subscribe("log", ({ level, message, error }) =>
    log[level](error === undefined ? {} : { err: error }, message),
  );
  signals(bus);
  notifySystemd(bus);

  bus.subscribe("start", async () => {
    makeHome(home);
    const holder = new SocketHolder(home.supervisorHolder);
    bus.subscribe("stop", () => holder.close(), { priority: 70, name: "sockets" });
    const lock = watchLock(home.supervisorLock, () => {
      log.error(
        { home: home.directory },
        "The home was removed or replaced: no client can reach it.",
      );
      void bus.exit(SUPERVISOR_EXIT.failed);
    });
    bus.subscribe("stop", () => lock.stop(), { priority: 30, name: "home" });
    const stored = (): StoredSockets => {
      // A kernel would make the home again, without a use.
      const why = "it was removed or replaced";
      if (!lock.isWhole()) throw newelError("NEWEL_E_HOME_ACCESS", { home: home.directory, why });
      return holder.stored;
    };
    const kernel = await connectKernel({ home, timeoutMs: KERNEL_MS }, { stored });
    bus.subscribe("stop", () => kernel.close(), { priority: 60, name: "kernel" });
    const supervisor = new Supervisor({
      kernel,
      home,
      version,
      holder,
      log: (text) => log.info(text),
      quit: () => void bus.exit(0),
      upgrade: (build) => {
        log.info({ build }, "The build takes over.");
        bus.replaceWith(() => executeSupervisor(build, home, options.lockFd));
        bus.restart().catch((error: unknown) => log.error({ err: error }, "Not replaced."));
      },
    });
    await supervisor.open();
    bus.subscribe("stop", () => supervisor.close(), { priority: 50, name: "supervisor" });
    const server = await serveUnix(home.supervisorSocket, SUPERVISOR_CONTRACT, supervisor);
    bus.subscribe("stop", () => server.close(), { priority: 40, name: "server" });
    log.info({ home: home.directory, version }, "The supervisor serves its home.");
    if (options.autostart === true) endUnlessUsed(supervisor, kernel, () => void bus.exit(0));
    sayReady();
    collectWhenIdle();
    setImmediate(removeOldCopies, home, log);
  });
  await bus.start();
  return bus.block();
}

/** When many clients start supervisors at once, one may come up after all clients have ended: it is not needed. */
function endUnlessUsed(supervisor: Supervisor, kernel: KernelClient, end: () => void): void {
  setTimeout(() => {
    if (supervisor.used) return;
    // The kernel that it may have started for itself is not needed either.
    void kernel.exitIfIdle().finally(end);
  }, UNUSED_MS).unref();
}

/** The copies of newel in the home that no process runs from any more. */
function removeOldCopies(home: Home, log: Log): void {
  try {
    const removed = pruneRuntimes(home);
    if (removed.length > 0) log.info({ removed }, "Copies that no process uses were removed.");
  } catch (error) {
    log.warn({ err: error }, "Old copies could not be removed.");
  }
}

/** Notifies the process that started this one and waits. */
function sayReady(): void {
  const fd = Number(process.env[PRELOAD_ENV.notifyFd] ?? Number.NaN);
  // Notified once: after an upgrade the descriptor number may belong to another file.
  delete process.env[PRELOAD_ENV.notifyFd];
  if (Number.isInteger(fd)) writeSync(fd, "READY=1\n");
}
