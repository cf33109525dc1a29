// Runs random programs on a bus, in virtual time, against the rules of docs/guide/bus.md:
// `node test/soak/bus-programs.ts [PROGRAMS] [FIRST SEED]`, by default 20,000 from seed 1. Prints one line;
// exits with 1 and the program when a rule was broken.
import { parseArgs } from "node:util";

import { findBroken } from "../bus/model/seeds.ts";
import { soundBus } from "../bus/model/variants.ts";

const { positionals } = parseArgs({ allowPositionals: true });
const programs = Number(positionals[0] ?? 20_000);
const first = Number(positionals[1] ?? 1);
const startMs = performance.now();
const found = await findBroken(await soundBus(), first, first + programs - 1);
const seconds = Math.round((performance.now() - startMs) / 1_000);
if (found === undefined) {
  process.stdout.write(`${programs} programs from seed ${first} broke no rule in ${seconds} s\n`);
} else {
  process.stdout.write(`${JSON.stringify(found, undefined, 2)}\n`);
  process.exitCode = 1;
}
