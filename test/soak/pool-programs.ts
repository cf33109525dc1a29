// Random pool programs against their model: `node test/soak/pool-programs.ts [PROGRAMS] [FIRST SEED]`,
// by default a thousand. Prints one line; exits with 1 when the pool broke a promise.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { runProgram } from "../pool/programs.ts";

const programs = Number(process.argv[2] ?? 1_000);
const first = Number(process.argv[3] ?? 1);
const AT_ONCE = 4;
const started = performance.now();
const directory = mkdtempSync(join(tmpdir(), "newel-programs-"));
const broken: string[] = [];
let seed = first;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (seed < first + programs) {
      const mine = seed;
      seed += 1;
      broken.push(...(await runProgram(mine, directory)));
    }
  }),
);
rmSync(directory, { recursive: true });
const isGood = broken.length === 0;
const seconds = Math.round((performance.now() - started) / 1_000);
console.log(JSON.stringify({ soak: "pool-programs", ok: isGood, seconds, programs, broken }));
process.exitCode = isGood ? 0 : 1;
