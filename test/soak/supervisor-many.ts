// Soak: an app of 500 services through `up`, `ps`, killed daemons, a reboot, `restart`, `stop`, `start` and `down`. `node
// test/soak/supervisor-many.ts [services]`; one line at the end, exit code 1 on failure.
import { liveThrough } from "../load/many-services.ts";
import { withScope } from "../load/scope.ts";

/** The bar for `newel ps`, in milliseconds, on a machine that does nothing else. */
const MOST_PS_MS = 2_000;

const count = Number(process.argv[2] ?? 500);
try {
  const times = await withScope((scope) => liveThrough(scope, count));
  const shown = Object.entries(times).map(([step, ms]) => `${step} ${ms} ms`);
  console.log(`supervisor-many: ${count} services: ${shown.join(", ")}`);
  const slow = Object.entries(times).filter(
    ([step, ms]) => step.startsWith("ps") && ms > MOST_PS_MS,
  );
  if (slow.length > 0) process.exitCode = 1;
} catch (error) {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  console.log(`supervisor-many: FAILED: ${what.replaceAll("\n", " ")}`);
  process.exitCode = 1;
}
