/**
 * A load client for tests and benches: HTTP/1.1 written on sockets, keep-alive and
 * new-connection-per-request, every request numbered, every answer checked, never a retry.
 *
 * As a program: `node test/load/client.ts --port 3000 --seconds 10` prints the number of requests that have
 * ended, each 100 ms, and its report as JSON; with `--until-eof` it also ends when its stdin does.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";

import { LoadConnection, type Destination } from "./connection.ts";

/** How requests are sent: many on a connection, or a connection for each. */
export type Kind = "keep-alive" | "new-connection";

export interface LoadOptions {
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  readonly tls?: boolean;
  /** Default 8 of each kind. */
  readonly keepAliveClients?: number;
  readonly newConnectionClients?: number;
  /** Requests a second of each kind, by all its clients together. Default 220. */
  readonly ratePerSecond?: number;
  /** The path of a request; default: every tenth `/slow/N`, else `/echo/N`. The body must be N. */
  readonly path?: (number: number) => string;
  /** How long an answer may take before it counts as failed. Default 10 s. */
  readonly limitMs?: number;
}

export interface LoadFailure {
  readonly number: number;
  readonly kind: Kind;
  readonly path: string;
  readonly error: string;
  /** Since the start of the load. */
  readonly atMs: number;
}

export interface KindReport {
  readonly requests: number;
  readonly failed: number;
  readonly slowestMs: number;
  readonly perSecond: number;
}

export interface LoadReport extends Omit<KindReport, "failed"> {
  /** The first {@link KEPT_FAILURES} in full. */
  readonly failed: readonly LoadFailure[];
  readonly failedCount: number;
  /** The longest stall of the client itself: failures of a client that stalls say nothing about the server. */
  readonly stalledMs: number;
  readonly byKind: Readonly<Record<Kind, KindReport>>;
  /** Answers by the `x-pid` header of the server. */
  readonly answersByPid: Readonly<Record<string, number>>;
}

export interface Load {
  /** Requests that were answered or have failed. */
  readonly ended: number;
  /** Sends no more, waits for the answers under way, and reports. */
  stop(): Promise<LoadReport>;
}

const KEPT_FAILURES = 1_000;
/** The most requests of a load, so that a forgotten load ends. */
const REQUEST_LIMIT = 2_000_000;
/** Connections one keep-alive client may have, as a browser's six: the slow answers overlap. */
const POOL_LIMIT = 6;
const TICK_MS = 5;
const PROGRESS_MS = 100;

interface Tally {
  requests: number;
  ended: number;
  failed: number;
  slowestMs: number;
}

interface State {
  readonly options: Required<Omit<LoadOptions, "port" | "host" | "tls">>;
  readonly destination: Destination;
  readonly startedAt: number;
  readonly tallies: Record<Kind, Tally>;
  readonly failures: LoadFailure[];
  readonly answersByPid: Record<string, number>;
  readonly underWay: Set<Promise<void>>;
  lastNumber: number;
}

/** Starts a load that runs until it is stopped. */
export function startLoad({ port, host = "127.0.0.1", tls = false, ...rest }: LoadOptions): Load {
  const state: State = {
    options: {
      keepAliveClients: 8,
      newConnectionClients: 8,
      ratePerSecond: 220,
      path: (number) => (number % 10 === 0 ? `/slow/${number}` : `/echo/${number}`),
      limitMs: 10_000,
      ...rest,
    },
    destination: { host, port, tls },
    startedAt: performance.now(),
    tallies: { "keep-alive": newTally(), "new-connection": newTally() },
    failures: [],
    answersByPid: {},
    underWay: new Set(),
    lastNumber: 0,
  };
  const { keepAliveClients, newConnectionClients } = state.options;
  const clients = [
    ...startClients(state, "keep-alive", keepAliveClients),
    ...startClients(state, "new-connection", newConnectionClients),
  ];
  const delays = monitorEventLoopDelay();
  delays.enable();
  return {
    get ended() {
      return state.tallies["keep-alive"].ended + state.tallies["new-connection"].ended;
    },
    stop: async () => {
      const seconds = (performance.now() - state.startedAt) / 1_000;
      for (const client of clients) client.stop();
      await Promise.all(state.underWay);
      for (const client of clients) client.close();
      delays.disable();
      return { ...reportOf(state, seconds), stalledMs: Math.round(delays.max / 1e6) };
    },
  };
}

function newTally(): Tally {
  return { requests: 0, ended: 0, failed: 0, slowestMs: 0 };
}

interface Client {
  /** Sends no more. */
  stop(): void;
  /** Ends its idle connections. */
  close(): void;
}

function startClients(state: State, kind: Kind, count: number): Client[] {
  const rate = state.options.ratePerSecond / count / 1_000;
  return Array.from({ length: count }, (_, index) => {
    const pool: LoadConnection[] = [];
    // Shifted against each other, so that the clients do not all send in the same millisecond.
    const startedAt = performance.now() + index / count / rate;
    let sent = 0;
    // By the clock and not by the answers: a server that stalls meets the requests it would have met.
    const timer = setInterval(() => {
      const due = Math.floor((performance.now() - startedAt) * rate);
      for (; sent < due && state.lastNumber < REQUEST_LIMIT; sent += 1) {
        const connection = connectionFor(state, kind, pool);
        if (connection === undefined) return;
        track(state, send(state, kind, connection));
      }
    }, TICK_MS);
    return {
      stop: () => clearInterval(timer),
      close: () => {
        for (const connection of pool) connection.close();
      },
    };
  });
}

function connectionFor(
  state: State,
  kind: Kind,
  pool: LoadConnection[],
): LoadConnection | undefined {
  if (kind === "new-connection") return new LoadConnection(state.destination);
  const free = pool.find((connection) => connection.isFree);
  if (free !== undefined) return free;
  const open = pool.filter((connection) => connection.isBusy);
  if (open.length >= POOL_LIMIT) return undefined;
  const connection = new LoadConnection(state.destination);
  pool.splice(0, pool.length, ...open, connection);
  return connection;
}

function track(state: State, work: Promise<void>): void {
  state.underWay.add(work);
  void work.finally(() => state.underWay.delete(work));
}

async function send(state: State, kind: Kind, connection: LoadConnection): Promise<void> {
  state.lastNumber += 1;
  const number = state.lastNumber;
  const path = state.options.path(number);
  const tally = state.tallies[kind];
  const begin = performance.now();
  tally.requests += 1;
  try {
    const close = kind === "new-connection";
    const { status, headers, body } = await connection.request(path, close, state.options.limitMs);
    if (status !== 200) throw new Error(`status ${status}`);
    if (body !== String(number))
      throw new Error(`wrong answer: ${JSON.stringify(body.slice(0, 80))}`);
    const pid = headers["x-pid"];
    if (pid !== undefined) state.answersByPid[pid] = (state.answersByPid[pid] ?? 0) + 1;
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown.message : String(thrown);
    const atMs = Math.round(performance.now() - state.startedAt);
    tally.failed += 1;
    if (state.failures.length < KEPT_FAILURES)
      state.failures.push({ number, kind, path, error, atMs });
  } finally {
    tally.ended += 1;
    tally.slowestMs = Math.max(tally.slowestMs, performance.now() - begin);
  }
}

function reportOf(state: State, seconds: number): Omit<LoadReport, "stalledMs"> {
  const ofKind = ({ requests, failed, slowestMs }: Tally): KindReport => ({
    requests,
    failed,
    slowestMs: Math.round(slowestMs),
    perSecond: Math.round(requests / seconds),
  });
  const { "keep-alive": kept, "new-connection": fresh } = state.tallies;
  const all: Tally = {
    requests: kept.requests + fresh.requests,
    ended: kept.ended + fresh.ended,
    failed: kept.failed + fresh.failed,
    slowestMs: Math.max(kept.slowestMs, fresh.slowestMs),
  };
  return {
    ...ofKind(all),
    failed: state.failures,
    failedCount: all.failed,
    byKind: { "keep-alive": ofKind(kept), "new-connection": ofKind(fresh) },
    answersByPid: state.answersByPid,
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      port: { type: "string" },
      host: { type: "string", default: "127.0.0.1" },
      tls: { type: "boolean", default: false },
      seconds: { type: "string", default: "10" },
      rate: { type: "string", default: "220" },
      clients: { type: "string", default: "8" },
      "until-eof": { type: "boolean", default: false },
    },
  });
  const load = startLoad({
    port: Number(values.port),
    host: values.host,
    tls: values.tls,
    ratePerSecond: Number(values.rate),
    keepAliveClients: Number(values.clients),
    newConnectionClients: Number(values.clients),
  });
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, Number(values.seconds) * 1_000);
  if (values["until-eof"]) process.stdin.on("end", over.resolve).resume();
  const progress = setInterval(() => process.stdout.write(`${load.ended}\n`), PROGRESS_MS);
  await over.promise;
  clearTimeout(timer);
  clearInterval(progress);
  process.stdout.write(`${JSON.stringify(await load.stop())}\n`);
  process.exit();
}
