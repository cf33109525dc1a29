import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import type { PoolOptions } from "../../src/pool/options.ts";
import { Pool } from "../../src/pool/pool.ts";
import type { DataOf, MessageOf, ResultOf, TaskOf } from "../../src/pool/module-types.ts";
import { cleanUp, type Scope } from "../helpers/resources.ts";

type OptionsOf<Module> = PoolOptions<
  TaskOf<Module>,
  ResultOf<Module>,
  MessageOf<Module>,
  DataOf<Module>
>;

/** The path of a worker module of the tests. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}.ts`, import.meta.url));
}

/** A pool that is closed after the test, in any state. */
export function openPool<Module>(
  scope: Scope,
  name: string,
  options: Omit<OptionsOf<Module>, "worker"> = {},
): Pool<Module> {
  const pool = new Pool<Module>({ size: 2, ...options, worker: fixture(name) });
  cleanUp(scope, () => {
    pool.on("error", () => undefined);
    return pool.close({ graceMs: 0 });
  });
  return pool;
}

/** Both kinds of workers. */
export const KINDS = ["process", "thread"] as const;

/** Whether a process runs; a zombie, which its parent may reap late, does not. */
export function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
