// Soak: the kernel killed 100 times, then replaced by itself 100 times, under load, with children that
// write as fast as they can. `node
// test/soak/kernel-kills.ts [times]`; one line at the end, exit code 1 on failure.
import { type KernelReport, runKernelScenario } from "../load/kernel-scenario.ts";
import { withScope } from "../load/scope.ts";

const TIMES = Number(process.argv[2] ?? 100);

function say(report: KernelReport): string {
  const { lines, requests, events, slowestRequestMs, slowestReturnMs } = report;
  return `${lines} lines, ${requests} requests (slowest ${slowestRequestMs} ms), ${events} events, nothing lost, back within ${slowestReturnMs} ms`;
}

try {
  const parts: string[] = [];
  for (const action of ["kill", "upgrade"] as const) {
    const report = await withScope((scope) =>
      runKernelScenario(scope, { action, count: TIMES, fullSpeed: true }),
    );
    parts.push(`${action} × ${TIMES}: ${say(report)}`);
  }
  console.log(`kernel-kills: ok: ${parts.join("; ")}`);
} catch (error) {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  console.log(`kernel-kills: FAILED: ${what.replaceAll("\n", " ")}`);
  process.exitCode = 1;
}
