import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import type { Trial } from "./fault.ts";

const SURVIVORS = {
  adder: "survivors",
  control: "survivors",
  kernel: "kernel-survivors",
  singleton: "kernel-survivors",
} as const;

/** The least number under each name; `gone` where the name was removed. */
type Due = ReadonlyMap<string, number | "gone">;

/** The answered changes of a trial, which have to be there, by their names. */
export function promised(trace: readonly string[], { program, synchronous }: Trial): Due {
  const isLax = synchronous === "normal" && (program === "adder" || program === "control");
  // At normal only the answers before the last sync of the WAL.
  const until = isLax ? trace.lastIndexOf("S") + 1 : trace.length;
  const due = new Map<string, number | "gone">();
  for (const line of trace.slice(0, until)) {
    const [, answered, name = "", number] =
      /^([AE]) (?:removing |gone )?([a-z]+\/\S+)(?: (\d+))?$/.exec(line) ?? [];
    if (answered === undefined) continue;
    if (line.startsWith("E removing ")) due.delete(name);
    else if (line.startsWith("A gone ")) due.set(name, "gone");
    else due.set(name, Number(number));
  }
  return due;
}

/** The content of the files after the power was cut, or the processes were killed. */
export interface Survivors {
  readonly found: ReadonlyMap<string, number>;
  readonly problem: string | undefined;
}

/** Opens the files in another process: a warning of the store is a problem that was found, not a failure of the run. */
export function survivorsOf(
  path: string,
  program: Trial["program"],
  compileCache: string,
): Survivors {
  const file = fileURLToPath(new URL(`fixtures/${SURVIVORS[program]}.ts`, import.meta.url));
  const child = spawnSync(process.execPath, [file, path, program], {
    encoding: "utf8",
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
    maxBuffer: 16_000_000,
  });
  if (child.status !== 0 || child.stderr !== "")
    return { found: new Map(), problem: child.stderr || `exit ${child.status ?? child.signal}` };
  const { found, problem } = JSON.parse(child.stdout) as {
    found: [string, number][];
    problem?: string;
  };
  return { found: new Map(found), problem };
}

/** The names that are missing, older than they were answered, or there although they were removed. */
export function lostOf(due: Due, { found }: Survivors): string[] {
  return [...due]
    .filter(([name, number]) =>
      number === "gone" ? found.has(name) : (found.get(name) ?? -1) < number,
    )
    .map(([name]) => name);
}
