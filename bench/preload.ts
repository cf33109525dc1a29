/**
 * The cost of the preload in a Node.js process of a service that never listens, such as npm: the
 * processor time between a file that is required before it and one after it, on each Node.js that is
 * named. Bar: 3 ms on a quiet machine.
 *
 *     npm run build && node bench/preload.ts [NODE…]
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { preloadPath } from "../src/base/modules.ts";
import { withPreload } from "../src/base/node-options.ts";
import { PRELOAD_ENV } from "../src/base/preload.ts";

const ROUNDS = 41;
const directory = mkdtempSync(join(tmpdir(), "newel-bench-"));
const before = join(directory, "before.cjs");
const after = join(directory, "after.cjs");
const modules = join(directory, "modules.cjs");
writeFileSync(before, "globalThis.begun = process.cpuUsage();");
writeFileSync(
  after,
  "const { user, system } = process.cpuUsage(begun); process.stdout.write(String((user + system) / 1000));",
);
// Modules that the preload loads too, and most programs load anyway.
writeFileSync(modules, "require('net'); require('child_process');");

const environment = {
  PATH: process.env["PATH"],
  [PRELOAD_ENV.process]: "web.1",
  [PRELOAD_ENV.mark]: "bench",
  [PRELOAD_ENV.listen]: JSON.stringify([{ name: "web", port: 3_000 }]),
  [PRELOAD_ENV.control]: join(directory, "c"),
};

function measure(node: string, ...required: string[]): number {
  const options = [before, ...required, after].map((file) => `--require "${file}"`).join(" ");
  const env = { ...environment, NODE_OPTIONS: options };
  return Number(execFileSync(node, ["-e", "0"], { env, encoding: "utf8" }));
}

function middle(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  return `median ${sorted[sorted.length >> 1]?.toFixed(2)} ms, least ${sorted[0]?.toFixed(2)} ms`;
}

const nodes = process.argv.length > 2 ? process.argv.slice(2) : [process.execPath];
console.log(`NODE_OPTIONS=${withPreload(undefined, preloadPath())}`);
for (const node of nodes) {
  const rounds = Array.from({ length: ROUNDS }, () => ({
    preload: measure(node, preloadPath()),
    more: measure(node, modules, preloadPath()) - measure(node, modules),
  }));
  const version = execFileSync(node, ["--version"], { encoding: "utf8" }).trim();
  console.log(`${version} the preload: ${middle(rounds.map(({ preload }) => preload))}`);
  console.log(
    `${version} where net and child_process are loaded anyway: ${middle(rounds.map(({ more }) => more))}`,
  );
}
rmSync(directory, { recursive: true });
