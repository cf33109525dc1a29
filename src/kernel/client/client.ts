import { hasCode, newelError } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { ClaimInfo, KernelStatus, RetiredSocket, SocketInfo, ValueInfo } from "../api.ts";
import type { ProcessId, ProcessInfo, ProcessTree, SignalReport } from "../process-api.ts";
import type { ConnectOptions, KernelClient, StoredSockets } from "../client-api.ts";
import { wireKey } from "../commands/wire-key.ts";
import { toTarget, type Target } from "./autostart.ts";
import type { Request } from "./channel.ts";
import { Claims } from "./claims.ts";
import { Link } from "./link.ts";
import { tailLines, watchOutput } from "./output.ts";
import { holdSockets, watchEvents, watchValues } from "./watch.ts";

const UPGRADE_POLL_MS = 20;

let defaults: ConnectOptions = {};

/**
 * Sets which kernel `connect()` means from now on in this process.
 *
 * @example
 * setDefault({ port: 20202 });
 */
export function setDefault(options: ConnectOptions): void {
  defaults = options;
}

/** The options that only the supervisor uses. */
interface InternalOptions {
  /** Sockets kept for a kernel that has to be started. */
  readonly stored?: () => StoredSockets;
}

/**
 * Connects to the kernel of a home, of a socket's path or of a port, and starts one in the home when
 * there is none.
 *
 * @throws NEWEL_E_KERNEL_UNREACHABLE when none answers
 *
 * @param options - default: the options of {@link setDefault}, else the home of the environment
 *
 * @example
 * await using kernel = await connect();
 * await kernel.sockets.make({ name: 'web', port: 8080 });
 */
export async function connectKernel(
  options: ConnectOptions = defaults,
  internal: InternalOptions = {},
): Promise<KernelClient> {
  const target = { ...toTarget(options), ...internal };
  const claims = new Claims(() => link);
  const link = new Link(
    target,
    () => claims.reclaim(),
    ({ taken }) => {
      if (typeof taken === "string") claims.taken(taken);
    },
  );
  await link.open();
  return createClient(target, link, claims);
}

function createClient(target: Target, link: Link, claims: Claims): KernelClient {
  const ask = <T>(request: Request): Promise<T> => link.call<T>(request, true);
  const once = <T>(request: Request): Promise<T> => link.call<T>(request, false);
  const closing = new AbortController();
  const close = async (): Promise<void> => {
    closing.abort();
    link.close();
  };
  return {
    sockets: {
      // Repeating this is safe: with the same settings, the answer is the existing socket.
      make: (request) => ask<SocketInfo>({ do: "make socket", ...toWire(request) }),
      bind: (request) => ask<SocketInfo>({ do: "bind socket", ...toWire(request) }),
      list: (...names) => ask<SocketInfo[]>({ do: "list sockets", names }),
      remove: (...names) => remove(link, "remove sockets", names),
      refuse: (...names) => ask<SocketInfo[]>({ do: "refuse sockets", names }),
      serve: (...names) => ask<SocketInfo[]>({ do: "serve sockets", names }),
      retire: (...names) => ask<RetiredSocket[]>({ do: "retire sockets", names }),
      hold: (path, { signal, sent }) =>
        holdSockets(target, path, AbortSignal.any([closing.signal, signal]), sent),
    },
    values: {
      set: (name, value, fence) =>
        ask({ do: "set", name, ...(value === undefined ? {} : { value }), ...fence }),
      get: async (name) =>
        (await ask<{ value: string | null }>({ do: "get", name })).value ?? undefined,
      list: (...names) => ask<ValueInfo[]>({ do: "list values", names }),
      remove: (...names) => remove(link, "remove values", names),
      watch: (pattern, { signal } = {}) =>
        watchValues(target, link, pattern, eitherOf(closing.signal, signal)),
    },
    processes: {
      make: (request) => ask<ProcessInfo>({ do: "make process", ...toWire(request) }),
      archived: (...names) => ask<ProcessInfo[]>({ do: "list archived", names }),
      prune: (...names) => ask<{ bytes: number }>({ do: "prune output", names }),
      list: (...names) => ask<ProcessInfo[]>({ do: "list processes", names }),
      remove: (...names) => remove(link, "remove processes", names),
      signal: (name, signal, scope = "process") =>
        once<SignalReport>({ do: "signal", name, signal, scope }),
      signalExactly: (name, signal, only) =>
        once<SignalReport>({ do: "signal", name, signal, scope: "tree", only: only.map(formatId) }),
      trees: (names, { detail = false } = {}) =>
        ask<ProcessTree[]>({ do: "list trees", names, detail }),
      watch: (name, options = {}) =>
        watchOutput(target, name, { ...options, signal: eitherOf(closing.signal, options.signal) }),
      tail: async (name, count) => tailLines(target, await findProcess(link, name), count),
    },
    claims: {
      list: (...names) => ask<ClaimInfo[]>({ do: "list claims", names }),
      release: (name) => once({ do: "release", name, force: true }),
    },
    claim: (name, options = {}) => claims.ask(name, options.signal),
    events: ({ since, signal } = {}) =>
      watchEvents(target, since, eitherOf(closing.signal, signal)),
    status: () => ask<KernelStatus>({ do: "status" }),
    upgrade: (build = {}) => upgradeKernel(link, build),
    exitIfIdle: async () => (await once<{ exiting: boolean }>({ do: "exit-if-idle" })).exiting,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function formatId({ pid, startTicks }: ProcessId): string {
  return `${pid}:${startTicks}`;
}

async function findProcess(link: Link, name: string): Promise<ProcessInfo> {
  const found = await link.call<ProcessInfo[]>({ do: "list processes", names: [name] }, true);
  const archived = found.length > 0 ? [] : await listArchived(link, name);
  const process = [...found, ...archived].findLast((one) => one.name === name);
  if (process === undefined) throw newelError("NEWEL_E_NOT_FOUND", { name, noun: "processes" });
  return process;
}

function listArchived(link: Link, name: string): Promise<ProcessInfo[]> {
  return link.call<ProcessInfo[]>({ do: "list archived", names: [name] }, true);
}

async function upgradeKernel(
  link: Link,
  build: { readonly node?: string; readonly program?: string },
): Promise<KernelStatus> {
  const asked = performance.now();
  await link.call({ do: "upgrade", ...build }, false);
  for (;;) {
    const status = await link.call<KernelStatus>({ do: "status" }, true);
    // A replaced kernel has the same pid, but its uptime begins again.
    if (status.uptimeMs < performance.now() - asked) return status;
    await sleep(UPGRADE_POLL_MS);
  }
}

function eitherOf(own: AbortSignal, given: AbortSignal | undefined): AbortSignal {
  return given === undefined ? own : AbortSignal.any([own, given]);
}

/**
 * Removes by name. Safe to repeat after a lost connection: a missing name was removed by the first attempt.
 */
async function remove(link: Link, what: string, names: readonly string[]): Promise<void> {
  try {
    await link.call({ do: what, names }, false);
  } catch (error) {
    if (!hasCode(error, "NEWEL_E_CONNECTION_LOST")) throw error;
    for (const name of names) await removeAgain(link, what, name);
  }
}

async function removeAgain(link: Link, what: string, name: string): Promise<void> {
  try {
    await link.call({ do: what, names: [name] }, true);
  } catch (error) {
    if (!hasCode(error, "NEWEL_E_NOT_FOUND")) throw error;
  }
}

/** The settings of a request under their names on the wire; unset ones are left out. */
function toWire(request: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(request)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]: [string, unknown]) =>
        key === "maxAgeMs" ? ["max_age", Math.ceil(Number(value) / 1_000)] : [wireKey(key), value],
      ),
  );
}
