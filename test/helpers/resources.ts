import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { tmpdir } from "node:os";

/** The part of a test context the helpers need: also `{ after }` of node:test itself. */
export interface Scope {
  after(end: () => void | Promise<void>): void;
}

const endings = new WeakMap<Scope, (() => void | Promise<void>)[]>();

/**
 * Does something after the test, the latest registered first: what stands on something else ends
 * before it. (node:test itself runs its hooks in the order they were registered.)
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

/** A directory of the test's own, removed after it. Short, since Unix socket paths are. */
export function temporaryDirectory(scope: Scope, mode = 0o700): string {
  const directory = mkdtempSync(join(tmpdir(), "nwl-"));
  chmodSync(directory, mode);
  cleanUp(scope, () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

/** A process that is killed after the test, whatever became of it. */
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

/** A TCP port on loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no TCP address");
  return address.port;
}

/** Waits until `probe` gives something else than `undefined` or `false`. */
export async function eventually<T>(
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  limitMs = 10_000,
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Whether a process lives (a zombie does not). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
