import { sleep } from "../base/timers.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type {
  CheckCommand,
  ResolvedAlive,
  ResolvedProbe,
  ResolvedService,
} from "./config/resolved.ts";
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
/** The part of a line that a pattern is tried on. */
const LINE_CHARACTERS = 4_096;
/** The time that a pattern has for a line, in milliseconds. */
const PATTERN_MS = 100;
/** The time that one try of a command has that shows readiness, in milliseconds. */
const CHECK_MS = 10_000;

/** The process that a probe asks. */
export interface ProbedProcess {
  readonly kernelName: string;
  readonly controlPath: string;
  /** How long it has been running, in milliseconds. */
  readonly ageMs: number;
  readonly pid: number | undefined;
  /** Resolves when the process says READY=1. */
  readonly saidReady: Promise<void>;
  /** Runs a command that checks the process; returns how it failed, `undefined` for success. */
  readonly check: (command: CheckCommand, timeoutMs: number) => Promise<string | undefined>;
}

/** A probe of one replica: one at a port of `portRange` asks at the replica's own. */
export function probeOf<Probe extends ResolvedProbe>(probe: Probe, replica: number): Probe {
  if (probe.kind === "tcp" && probe.ranged === true)
    return { ...probe, port: probe.port + replica - 1 };
  if (probe.kind !== "http" || probe.ranged !== true) return probe;
  const { address } = probe;
  if (address === undefined || "path" in address) return probe;
  const port = address.port + replica - 1;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return { ...probe, address: { ...address, port }, hostHeader: `${host}:${port}` };
}

/**
 * Resolves when a process is ready as its service defines it. Has no time limit: the caller sets
 * one, watches for the process's end, and ends the wait by `signal`.
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
      return waitForOutput(process.kernelName, containsText(probe.text), kernel, signal);
    case "pattern":
      return waitForOutput(process.kernelName, matchesLine(probe.pattern), kernel, signal);
    case "command":
      return retry(
        async () => (await process.check(probe.command, CHECK_MS)) === undefined,
        signal,
      );
    case "tcp":
      return retry(async () => {
        const accepted = await connectTo(probe.host, probe.port, process.pid);
        accepted?.socket.destroy();
        return accepted !== undefined && isIts(accepted.by, begunMs);
      }, signal);
    case "http":
      return retry(async () => isGood(await askHttp(process, probe, begunMs)), signal);
  }
}

/** One request to the HTTP server of a process; no status when the answer is not its own. */
async function askHttp(
  process: ProbedProcess,
  { address, path, own, hostHeader }: Extract<ResolvedProbe, { readonly kind: "http" }>,
  begunMs: number,
): Promise<number | undefined> {
  if (address === undefined) return probeThroughControl(process.controlPath, path);
  // Past the shared socket, on which another replica may answer.
  if (own === true && (mayHaveNode(process, begunMs) || hasControl(process.controlPath)))
    return probeThroughControl(process.controlPath, path);
  if ("path" in address) return httpStatus({ socketPath: address.path }, path, hostHeader);
  return askItself(process, address, path, { hostHeader, begunMs });
}

/**
 * Checks a ready process once.
 *
 * @returns how the check failed, as the rest of a sentence; `undefined` when the process is alive
 */
export async function checkAlive(
  process: ProbedProcess,
  { probe, timeoutMs }: ResolvedAlive,
): Promise<string | undefined> {
  if (probe.kind === "command") return process.check(probe.command, timeoutMs);
  const over = new AbortController();
  const late = sleep(timeoutMs, over.signal).then(() => `it did not answer within ${timeoutMs} ms`);
  try {
    return await Promise.race([late, askOnce(process, probe)]);
  } finally {
    over.abort();
  }
}

async function askOnce(
  process: ProbedProcess,
  probe: Exclude<ResolvedAlive["probe"], { readonly kind: "command" }>,
): Promise<string | undefined> {
  // The process has been ready: neither its Node.js nor its socket is awaited any more.
  const begunMs = -Infinity;
  if (probe.kind === "tcp") {
    const { host, port } = probe;
    const accepted = await connectTo(host, port, process.pid);
    accepted?.socket.destroy();
    return accepted === undefined ? `${host}:${port} does not accept connections` : undefined;
  }
  const status = await askHttp(process, probe, begunMs);
  if (isGood(status)) return undefined;
  return status === undefined
    ? `GET ${probe.path} has no answer`
    : `GET ${probe.path} is answered with ${status}`;
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
  // A process that is still starting has not reached the preload yet.
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

/** Resolves when a piece of the output of a process shows readiness. */
async function waitForOutput(
  name: string,
  showsReady: (piece: string) => boolean,
  kernel: KernelClient,
  signal: AbortSignal,
): Promise<void> {
  for await (const item of kernel.processes.watch(name, { signal })) {
    if ("ended" in item) return new Promise(() => {});
    if (showsReady(item.data.toString("utf8"))) return;
  }
}

function containsText(text: string): (piece: string) => boolean {
  let seen = "";
  return (piece) => {
    seen = (seen + piece).slice(-LOG_TAIL_CHARACTERS);
    return seen.includes(text);
  };
}

/**
 * Tests each line by a regular expression. A pattern with much backtracking must not stop the supervisor: a line on
 * which it takes too long does not match.
 */
function matchesLine(pattern: string): (piece: string) => boolean {
  // Loaded with the first pattern: few services have one.
  const { createContext, Script } = process.getBuiltinModule("node:vm");
  const script = new Script("lines.some((line) => expression.test(line))");
  const context = createContext({ lines: [""], expression: new RegExp(pattern, "u") });
  const test = (lines: readonly string[]): boolean | "late" => {
    context["lines"] = lines;
    try {
      return script.runInContext(context, { timeout: PATTERN_MS }) === true;
    } catch (error) {
      // An Error of the other context is no instance of this one's class.
      const { code }: { code?: unknown } = Object(error);
      if (code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return "late";
      throw error;
    }
  };
  let rest = "";
  return (piece) => {
    const lines = (rest + piece).split("\n").map((line) => line.slice(0, LINE_CHARACTERS));
    rest = lines.at(-1) ?? "";
    const all = test(lines);
    return all === "late" ? lines.some((line) => test([line]) === true) : all;
  };
}
