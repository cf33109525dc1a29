// Sends random values to an echo, by processes and by threads: `node test/soak/pool-values.ts [VALUES] [SEED]`,
// by default 10,000 each. Prints one line; exits with 1 when one came back as another.
import { messageOf } from "../../src/base/errors.ts";
import { Pool } from "../../src/pool/pool.ts";
import type * as EchoModule from "../pool/fixtures/echo.ts";
import { fixture, KINDS } from "../pool/pools.ts";
import { compareValues } from "../pool/values.ts";

const values = Number(process.argv[2] ?? 10_000);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000_000);
const problems: string[] = [];
for (const kind of KINDS) {
  await using pool = new Pool<typeof EchoModule>({ worker: fixture("echo"), size: 2, kind });
  await compareValues(pool, values, seed).catch((error: unknown) => {
    problems.push(`${kind}: ${messageOf(error)}`);
  });
}
const isGood = problems.length === 0;
console.log(JSON.stringify({ soak: "pool-values", ok: isGood, values, seed, problems }));
process.exitCode = isGood ? 0 : 1;
