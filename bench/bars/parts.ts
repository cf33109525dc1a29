import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { BENCH_DIRECTORY } from "../prepare.ts";
import type { Bar, OpenBar } from "./bar.ts";

/** Parts that bring their own bench: bench/NAME/run.ts writes bench/results/NAME.json. */
const PARTS = ["wire", "bus", "pool", "jobs", "jobs-web"] as const;

/** Runs the benches of single parts and collects their bars. */
export function measureParts(): (Bar | OpenBar)[] {
  return PARTS.flatMap((part): readonly (Bar | OpenBar)[] => {
    const program = join(BENCH_DIRECTORY, part, "run.ts");
    if (!existsSync(program)) return [{ bar: part, why: "not built yet" }];
    const result = join(BENCH_DIRECTORY, "results", `${part}.json`);
    rmSync(result, { force: true });
    const run = spawnSync(process.execPath, [program, "--json", result], { encoding: "utf8" });
    if (!existsSync(result)) throw new Error(`${program} wrote no ${result}:\n${run.stderr}`);
    return (JSON.parse(readFileSync(result, "utf8")) as { bars: readonly (Bar | OpenBar)[] }).bars;
  });
}
