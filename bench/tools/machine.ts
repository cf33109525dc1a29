import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";

import { BENCH_DIRECTORY } from "../prepare.ts";

/** The facts that a figure depends on; none of them identifies the machine. */
export interface Machine {
  readonly node: string;
  readonly system: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  /** Of the last minute, when the run began: above the cores, others were busy too. */
  readonly loadBefore: number;
}

export function machine(): Machine {
  return {
    node: process.version,
    system: `${process.platform} ${release().split("-")[0]} ${process.arch}`,
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
    loadBefore: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  };
}

export function describeMachine({
  node,
  system,
  cpu,
  cores,
  memoryGb,
  loadBefore,
}: Machine): string {
  return `Node ${node} on ${system}, ${cores} × ${cpu}, ${memoryGb} GB; load before ${loadBefore}`;
}

/** The version of a package: newel's own, or a peer's. */
export function versionOf(peer?: string): string {
  const directory =
    peer === undefined ? join(BENCH_DIRECTORY, "..") : join(BENCH_DIRECTORY, "node_modules", peer);
  const manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as {
    version: string;
  };
  return manifest.version;
}

/** Writes a result to bench/results/NAME.json, which git ignores. */
export function writeResult(name: string, result: object): string {
  const directory = join(BENCH_DIRECTORY, "results");
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${name}.json`);
  writeFileSync(path, `${JSON.stringify(result, undefined, 2)}\n`);
  return path;
}
