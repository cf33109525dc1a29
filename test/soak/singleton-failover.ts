// Kills the owner of a singleton 100 times under 4 clients that call without a pause: `node
// test/soak/singleton-failover.ts [KILLS]`. Prints one line; exits with 1 when the next owner took longer than 50
// ms (p95), two owners answered in one epoch, a call hung or failed without a code, or an
// acknowledged increment was lost or counted twice.
import { withScope } from "../load/scope.ts";
import { failOver } from "../singleton/failover.ts";

const P95_MS = 50;
const LONGEST_MS = 5_000;

const result = await withScope((scope) => failOver(scope, Number(process.argv[2] ?? 100)));
const isGood =
  result.flaws.length === 0 && result.takeoverMs.p95 < P95_MS && result.longestCallMs < LONGEST_MS;
console.log(JSON.stringify({ soak: "singleton-failover", ok: isGood, ...result }));
process.exit(isGood ? 0 : 1);
