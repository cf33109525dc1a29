// Soak: one holder, 20 waiters, and a kernel that is killed and upgraded in turn. `node
// test/soak/kernel-claims.ts [rounds]`; one line at the end, exit code 1 on failure.
import { runClaimScenario } from "../load/claim-scenario.ts";
import { withScope } from "../load/scope.ts";

const ROUNDS = Number(process.argv[2] ?? 100);

try {
  const report = await withScope((scope) => runClaimScenario(scope, ROUNDS));
  const { kills, upgrades, handedOnMs } = report;
  console.log(
    `kernel-claims: ok: ${kills} kills and ${upgrades} upgrades under one holder and 20 waiters, then handed on in ${handedOnMs} ms`,
  );
} catch (error) {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  console.log(`kernel-claims: FAILED: ${what.replaceAll("\n", " ")}`);
  process.exitCode = 1;
}
