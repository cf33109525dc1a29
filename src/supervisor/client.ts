import { hasCode, messageOf, newelError, systemCode } from "../base/errors.ts";
import { findHome, type Home } from "../base/home.ts";
import { holderOf, isStoppedProcess } from "../base/lock-holder.ts";
import { sleep } from "../base/timers.ts";
import type { Remote } from "../wire/contract.ts";
import { connectUnix } from "../wire/unix.ts";
import type { SupervisorApi } from "./api.ts";
import { SUPERVISOR_CONTRACT } from "./contract.ts";
import { SUPERVISOR_EXIT } from "./exit-codes.ts";
import { SUPERVISOR_NODE_ARGS } from "./node-args.ts";

const TIMEOUT_MS = 20_000;
const RETRY_MS = 20;
const GREETING_MS = 10_000;
/** Errors of a connect while a supervisor is starting or ending. */
const NOT_YET = new Set([
  "ENOENT",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "EAGAIN",
  "NEWEL_E_CONNECTION_LOST",
]);

/** How to reach the supervisor of a home. */
export interface SupervisorOptions {
  /** Default: the home of the environment. */
  readonly home?: Home;
  /** Start one when none answers. Default true. */
  readonly autostart?: boolean;
  /** How long to try, in milliseconds. Default 20,000. */
  readonly timeoutMs?: number;
  /** How long one that accepts the connection may take to answer, in milliseconds. Default 10,000. */
  readonly greetingMs?: number;
}

/** A connection to a supervisor. */
export interface SupervisorConnection {
  /** The verbs of the supervisor. */
  readonly remote: Remote<SupervisorApi>;
  /** Resolves when the connection ended, however. */
  readonly closed: Promise<unknown>;
  /** Closes the connection. */
  close(): Promise<void>;
}

/**
 * Connects to the supervisor of a home, starting one if there is none and one may be started. Any
 * number of processes may do this at once: one supervisor results.
 *
 * @throws NEWEL_E_SUPERVISOR_UNREACHABLE
 * @throws NEWEL_E_VERSION_SKEW when the supervisor is of a newel with another protocol
 * @throws NEWEL_E_SUPERVISOR_HANGS when one runs and does not answer
 */
export async function connectSupervisor(
  options: SupervisorOptions = {},
): Promise<SupervisorConnection> {
  const home = options.home ?? findHome();
  const until = performance.now() + (options.timeoutMs ?? TIMEOUT_MS);
  const greetingMs = options.greetingMs ?? GREETING_MS;
  let launch: Launch | undefined;
  for (;;) {
    try {
      const timeoutMs = greetingMs;
      return await greet(
        await connectUnix(home.supervisorSocket, SUPERVISOR_CONTRACT, { timeoutMs }),
        greetingMs,
      );
    } catch (error) {
      if ([error, causeOf(error)].some((each) => hasCode(each, "NEWEL_E_DEADLINE")))
        throw hangs(home, greetingMs, error);
      const missing = [error, causeOf(error)].some((each) => NOT_YET.has(systemCode(each) ?? ""));
      // Another version of newel answers: neither waiting nor a start changes that.
      if (hasCode(error, "NEWEL_E_VERSION_SKEW")) throw error;
      if (!missing || options.autostart === false) throw unreachable(home, messageOf(error), error);
      if (performance.now() > until) throw unreachable(home, "it did not answer in time", error);
    }
    if (launch?.failed !== undefined) throw unreachable(home, launch.failed);
    // A supervisor that lost the race has ended; if the winner has ended too, the next start may win.
    if (launch === undefined || launch.lostRace) launch = await startSupervisor(home);
    await sleep(RETRY_MS);
  }
}

/** A supervisor that is ending may accept a connection and never answer. */
async function greet(
  connection: SupervisorConnection,
  greetingMs: number,
): Promise<SupervisorConnection> {
  try {
    await connection.remote.with({ timeoutMs: greetingMs }).hello();
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

interface Launch {
  lostRace: boolean;
  failed: string | undefined;
}

async function startSupervisor(home: Home): Promise<Launch> {
  const launch: Launch = { lostRace: false, failed: undefined };
  // Loaded on demand, because it is seldom needed and a command must be quick.
  const { launchDaemon } = await import("../base/launch-daemon.ts");
  const { daemonProgram } = await import("../base/runtime.ts");
  const program = await daemonProgram(home, "supervisor/main");
  const nodeArgs = SUPERVISOR_NODE_ARGS;
  await launchDaemon({ home, program, log: home.supervisorLog, nodeArgs }, (code, why) => {
    if (code === SUPERVISOR_EXIT.running || code === 0) launch.lostRace = true;
    else launch.failed = why;
  });
  return launch;
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}

/** The error about a supervisor that has the socket and does not answer; it names its process. */
function hangs(home: Home, waitedMs: number, cause: unknown): Error {
  const pid = holderOf(home.supervisorLock);
  const advice = isStoppedProcess(pid)
    ? ` It is stopped (SIGSTOP): \`kill -CONT ${pid}\` lets it continue.`
    : "";
  return newelError("NEWEL_E_SUPERVISOR_HANGS", { pid, waitedMs, advice }, cause);
}

function unreachable(home: Home, why: string, cause?: unknown): Error {
  const { supervisorSocket: path, supervisorLog: log } = home;
  return newelError(
    "NEWEL_E_SUPERVISOR_UNREACHABLE",
    { path, why: why.replace(/\.$/, ""), log },
    cause,
  );
}
