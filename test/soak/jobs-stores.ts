// Soak: the behaviours that newel's store of jobs is tried by, on BullMQ's own stores: they are true of
// these; the events of runs on them; the calling side of `newel/jobs`; and the job server. `node test/soak/jobs-stores.ts`;
// the report of each test that fails, one line at the end, exit code 1 on failure.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The largest size of a report of all tests, in bytes. */
const MOST_OUTPUT = 64_000_000;

const told: string[] = [];
for (const store of ["redis", "postgres"]) {
  const files = ["conformance", "events", "client", "server"].map((folder) =>
    fileURLToPath(new URL(`../jobs/${folder}/${store}.test.ts`, import.meta.url)),
  );
  const args = ["--test", "--test-reporter=tap", ...files];
  const { status, stdout } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    maxBuffer: MOST_OUTPUT,
  });
  const count = (word: string): number =>
    Number(new RegExp(`^# ${word} (\\d+)$`, "m").exec(stdout)?.[1] ?? Number.NaN);
  const [passed, failed, skipped] = [count("pass"), count("fail"), count("skipped")];
  for (const report of failures(stdout)) console.log(`${store}: ${report}`);
  told.push(`${store} ${passed} passed, ${failed} failed, ${skipped} skipped`);
  if (status !== 0 || failed !== 0 || skipped !== 0 || passed < 200) process.exitCode = 1;
}
console.log(`jobs-stores: ${process.exitCode === 1 ? "FAILED" : "ok"}: ${told.join("; ")}`);

/** The names of failed tests with their files, errors and stacks, as TAP has them. */
function failures(tap: string): string[] {
  const reports = tap.matchAll(/^ *not ok \d+ - .*\n(?: *---\n[\s\S]*?^ *\.\.\.$)?/gm);
  return [...reports].map(([report]) => report).filter((report) => !/# (?:SKIP|TODO)/.test(report));
}
