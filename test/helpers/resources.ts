import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { sendSignal } from "./signals.ts";

/** The part of a test context that the helpers need; `{ after }` of node:test itself fits too. */
export interface Scope {
  after(end: () => void | Promise<void>): void;
}

/** The variable of the compile cache that all programs of a test run share (scripts/test.mjs), if it is set. */
export const COMPILE_CACHE: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(process.env).flatMap(([name, value]) =>
    name === "NODE_COMPILE_CACHE" && value !== undefined ? [[name, value]] : [],
  ),
);

const endings = new WeakMap<Scope, (() => void | Promise<void>)[]>();

/**
 * Registers a clean-up after the test; the latest one runs first, so that a resource ends before the
 * resources it depends on. (node:test itself runs its hooks in the order of registration.)
 */
export function cleanUp(scope: Scope, end: () => void | Promise<void>): void {
  const known = endings.get(scope);
  if (known !== undefined) {
    known.push(end);
    return;
  }
  const stack = [end];
  endings.set(scope, stack);
  scope.after(async () => {
    const failures: unknown[] = [];
    for (const each of stack.toReversed()) {
      try {
        await each();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0)
      throw new AggregateError(failures, "the clean-up after the test failed");
  });
}

/**
 * A separate directory for a test, removed after it. Its path is short, because Unix socket paths are
 * limited.
 */
export function temporaryDirectory(scope: Scope, mode = 0o700): string {
  const directory = mkdtempSync(join(tmpdir(), "nwl-"));
  chmodSync(directory, mode);
  cleanUp(scope, () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

/** Starts a process that is killed after the test, whether the test passed or not. */
export function startProcess(
  scope: Scope,
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): ChildProcess {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  cleanUp(scope, async () => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  return child;
}

/** A TCP port on loopback that was free just before. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no TCP address");
  return address.port;
}

/** Waits until `probe` returns a value other than `undefined` or `false`. */
export async function eventually<T>(
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  limitMs = 60_000,
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Whether a process lives (a zombie does not count). */
export function isAlive(pid: number): boolean {
  try {
    sendSignal(pid, 0);
    return true;
  } catch {
    return false;
  }
}
