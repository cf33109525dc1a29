// Soak: the behaviours that newel's store of jobs is tried by, on BullMQ's own PostgreSQL store. `node
// test/soak/jobs-postgres.ts`; one line at the end, exit code 1 on failure.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const file = fileURLToPath(new URL("../jobs/conformance/postgres.test.ts", import.meta.url));
const { status, stdout } = spawnSync(process.execPath, ["--test", "--test-reporter=tap", file], {
  encoding: "utf8",
});
const count = (word: string): number =>
  Number(new RegExp(`^# ${word} (\\d+)$`, "m").exec(stdout)?.[1] ?? Number.NaN);
const [passed, failed, skipped] = [count("pass"), count("fail"), count("skipped")];
if (status === 0 && failed === 0 && skipped === 0 && passed > 200)
  console.log(`jobs-postgres: ok: ${passed} behaviours`);
else {
  console.log(`jobs-postgres: FAILED: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = 1;
}
