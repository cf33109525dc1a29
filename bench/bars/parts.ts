import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { BENCH_DIRECTORY } from "../prepare.ts";
import type { Bar, OpenBar } from "./bar.ts";

/** Parts that bring their own bench, and the result it writes: bench/results/NAME.json. */
const PARTS = {
  wire: "wire/run.ts",
  bus: "bus/run.ts",
  pool: "pool/run.ts",
  jobs: "jobs/run.ts",
  "jobs-web": "jobs-web/run.ts",
  "jobs-whole-path": "jobs/whole-path.ts",
} as const;

/** Runs the benches of single parts and collects their bars. */
export function measureParts(): (Bar | OpenBar)[] {
  return Object.entries(PARTS).flatMap(([part, path]): readonly (Bar | OpenBar)[] => {
    const program = join(BENCH_DIRECTORY, path);
    if (!existsSync(program)) return [{ bar: part, why: "not built yet" }];
    const result = join(BENCH_DIRECTORY, "results", `${part}.json`);
    rmSync(result, { force: true });
    const run = spawnSync(process.execPath, [program, "--json", result], { encoding: "utf8" });
    if (!existsSync(result)) throw new Error(`${program} wrote no ${result}:\n${run.stderr}`);
    return (JSON.parse(readFileSync(result, "utf8")) as { bars: readonly (Bar | OpenBar)[] }).bars;
  });
}
