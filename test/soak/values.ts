// Sends random values to an echo in a process, in a thread and over the wire:
// `node test/soak/values.ts [VALUES] [SEED]`, by default 100,000 each. Prints one line; exits with 1 when a
// value came back changed, or was refused although it has a copy.
import { messageOf } from "../../src/base/errors.ts";
import { Pool } from "../../src/pool/pool.ts";
import type * as EchoModule from "../pool/fixtures/echo.ts";
import { overWire } from "../wire/echo.ts";
import { fixture, KINDS } from "../pool/pools.ts";
import { compareValues } from "../helpers/compare-values.ts";

const values = Number(process.argv[2] ?? 100_000);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000_000);
const problems: string[] = [];
for (const kind of KINDS) {
  await using pool = new Pool<typeof EchoModule>({ worker: fixture("echo"), size: 2, kind });
  await compareValues((value) => pool.run(value), values, seed).catch((error: unknown) => {
    problems.push(`${kind}: ${messageOf(error)}`);
  });
}
await overWire(async (echo) => {
  await compareValues(echo, values, seed, true).catch((error: unknown) => {
    problems.push(`wire: ${messageOf(error)}`);
  });
});
const isGood = problems.length === 0;
console.log(JSON.stringify({ soak: "values", ok: isGood, values, seed, problems }));
process.exitCode = isGood ? 0 : 1;
