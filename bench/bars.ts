/**
 * The bars of newel, measured on the built JavaScript. One line a bar; exits
 * with 1 when one is missed. `node bench/bars.ts [--only install,daemons,output,memory,cli,reload,parts]`
 */
import { parseArgs } from "node:util";

import { withScope, type Ends } from "../test/load/scope.ts";
import { type Bar, describeBar, type OpenBar } from "./bars/bar.ts";
import { measureCommandLine } from "./bars/command-line.ts";
import { measureDaemons } from "./bars/daemons.ts";
import { measureInstall } from "./bars/install.ts";
import { measureMemory } from "./bars/memory.ts";
import { measureLastWords, measureLoop, measureOutput } from "./bars/output.ts";
import { measureParts } from "./bars/parts.ts";
import { measureReload } from "./bars/reload.ts";
import { prepareDist, preparePeers } from "./prepare.ts";
import { describeMachine, machine, versionOf, writeResult } from "./tools/machine.ts";

type Measure = (scope: Ends) => Promise<readonly (Bar | OpenBar)[]>;

const MEASURES: Readonly<Record<string, Measure>> = {
  install: measureInstall,
  daemons: measureDaemons,
  memory: measureMemory,
  output: async (scope) => [
    ...(await measureOutput(scope)),
    await measureLastWords(scope),
    await measureLoop(scope),
  ],
  cli: measureCommandLine,
  reload: measureReload,
  parts: async () => measureParts(),
};

/** Bars without a figure here; they are never counted as reached. */
const OPEN: readonly OpenBar[] = [
  "failover of a singleton: p95 < 50 ms, epoch + 1; 20 racing processes, one constructor run",
  "kernel SIGKILLed and upgraded 100 times under full output, 0 bytes lost",
  "hostile input, 1,000,000 frames and lines: no crash, memory flat",
  "a dead job worker's jobs start again in < 200 ms",
  "10,000 jobs under random kill -9, on the file and on the job server",
  "a handler that blocks its loop for 75 s runs once",
].map((bar) => ({ bar, why: "tested by npm run soak" }));

const { values } = parseArgs({ options: { only: { type: "string" } } });
const names = values.only?.split(",") ?? Object.keys(MEASURES);
const unknown = names.filter((name) => !Object.hasOwn(MEASURES, name));
if (unknown.length > 0) {
  console.error(`No bars named ${unknown.join(", ")}: ${Object.keys(MEASURES).join(", ")}.`);
  process.exit(2);
}

prepareDist();
preparePeers();
const facts = machine();
console.log(`newel ${versionOf()}; ${describeMachine(facts)}`);
const bars: (Bar | OpenBar)[] = [];
for (const name of names) {
  for (const bar of await withScope(MEASURES[name] ?? (async () => []))) {
    console.log(describeBar(bar));
    bars.push(bar);
  }
}
if (values.only === undefined) {
  for (const bar of OPEN) console.log(describeBar(bar));
  bars.push(...OPEN);
}
const measured = bars.filter((bar): bar is Bar => !("why" in bar));
const missed = measured.filter(({ met }) => !met).length;
console.log(`${measured.length - missed} of ${measured.length} bars reached.`);
console.log(writeResult("bars", { version: versionOf(), machine: facts, bars }));
process.exit(missed === 0 ? 0 : 1);
