import { closeSync, writeSync } from "node:fs";

import { JsonLog, LineWriter, type Log } from "../../base/json-log.ts";
import { PRELOAD_ENV } from "../../base/preload.ts";
import { Bus } from "../../bus/bus.ts";
import { ChannelFailures } from "../../bus/failures.ts";
import { daemonize } from "../../bus/plugins/daemonize.ts";
import { pidfile } from "../../bus/plugins/pidfile.ts";
import { signals } from "../../bus/plugins/signals.ts";
import { notifySystemd } from "../../bus/plugins/systemd.ts";
import { PAYLOAD_LIMIT_BYTES } from "../json.ts";
import type { RemoteAddress } from "../remote/address.ts";
import { openStore } from "../store/open.ts";
import { withoutPassword } from "../store/url.ts";
import { JobServer } from "./server.ts";
import type { ServerSettings } from "./settings.ts";

/** The options of a job server that runs as a program. */
export interface ProgramOptions extends ServerSettings {
  /** Kept under a lock while it runs. */
  readonly pidfile?: string;
  /** Runs the server in the background; its output is appended to the file `log`. Default: the output is discarded. */
  readonly daemon?: { readonly log?: string; readonly launched: (pid: number) => void };
  /** Default: JSON lines to stdout. */
  readonly log?: Log;
}

/** How long a server has to start all its processes and open its store, in milliseconds. */
const START_MS = 120_000;
/** The time from the end of the grace until everything is closed, in milliseconds. */
const CLOSE_MS = 15_000;
/**
 * The duration of locks, in milliseconds. They are renewed after half of it, in this process, which never runs a
 * handler.
 */
const LOCK_MS = 15_000;
const STDOUT = 1;

/**
 * Runs a job server until a signal ends it.
 *
 * @returns the exit code
 * @throws NEWEL_E_BUS_PIDFILE another one has the pidfile
 * @throws as `JobServer.start`
 */
export async function runJobServer(options: ProgramOptions): Promise<number> {
  const { graceMs } = options;
  const sayReady = readyTeller();
  const stdout = new LineWriter(STDOUT);
  const log = options.log ?? new JsonLog((line) => stdout.write(line));
  const bus = new Bus({ name: "jobs" });
  bus.subscribe("log", ({ level, message, error }) =>
    log[level](error === undefined ? {} : { err: error }, message),
  );
  signals(bus, { deadlineMs: graceMs + 2 * CLOSE_MS });
  notifySystemd(bus);
  const file = options.pidfile === undefined ? undefined : pidfile(bus, options.pidfile);
  let isLauncher = false;
  if (options.daemon !== undefined) {
    const { log: stdout, launched } = options.daemon;
    // Handlers may use paths relative to the directory in which the server was started.
    const isDaemon = daemonize(bus, {
      directory: process.cwd(),
      launched,
      ...(stdout === undefined ? {} : { stdout }),
    });
    // The launcher runs in a terminal, so its messages are written for a person.
    if (!isDaemon) log.level = "warn";
    isLauncher = !isDaemon;
  }
  // After a failed listener the others are called too: without its pidfile no server takes jobs.
  const begin = async (): Promise<void> => {
    if (!isLauncher && file?.isHeld !== false) await serve(bus, options, log);
  };
  bus.subscribe("start", begin, { name: "server", priority: 80, timeoutMs: START_MS });
  bus.subscribe("started", sayReady, { name: "ready" });
  try {
    await bus.start();
  } catch (error) {
    const [first] = error instanceof ChannelFailures ? error.failures : [];
    throw first?.error ?? error;
  }
  return bus.block();
}

async function serve(bus: Bus, options: ProgramOptions, log: Log): Promise<void> {
  const { store, modules, processes, graceMs } = options;
  const server = await JobServer.start({
    store,
    modules,
    processes,
    graceMs,
    lockMs: LOCK_MS,
    log,
  });
  bus.subscribe("stop", () => server.stop(), { name: "server", timeoutMs: graceMs + CLOSE_MS });
  if (options.listen !== undefined) await listen(bus, options.listen, { store, server, log });
  const jobs = [...server.definitions.keys()];
  const where = withoutPassword(store);
  log.info({ jobs, processes, pid: process.pid, store: where }, "The job server runs.");
}

interface Listening {
  readonly store: string;
  readonly server: JobServer;
  readonly log: Log;
}

/** Starts the listener for jobs from other machines; it ends before the server does. */
async function listen(
  bus: Bus,
  address: RemoteAddress,
  { store, server, log }: Listening,
): Promise<void> {
  const { listenForJobs } = await import("../remote/listener.ts");
  const access = await openStore(store);
  bus.subscribe("stop", () => access.close(), { name: "access", priority: 45 });
  const listener = await listenForJobs(address, access, {
    knows: (job) => server.definitions.has(job),
    payloadBytes: PAYLOAD_LIMIT_BYTES,
    onRefused: (error, peer) => log.warn({ peer, err: error }, "A client was refused."),
  });
  bus.subscribe("stop", () => listener.close(), { name: "listener", priority: 40 });
  log.info({ host: address.host, port: listener.port }, "Clients with the auth key may connect.");
}

/** Notifies the supervisor, if the server runs as its service, that the server takes jobs. */
function readyTeller(): () => void {
  const fd = Number(process.env[PRELOAD_ENV.notifyFd] ?? Number.NaN);
  // The processes that run jobs must not notify the supervisor.
  delete process.env[PRELOAD_ENV.notifyFd];
  return () => {
    if (!Number.isInteger(fd)) return;
    writeSync(fd, "READY=1\n");
    closeSync(fd);
  };
}
