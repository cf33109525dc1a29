// Edits a server while a client polls it 20 times a second, under `newel dev` and under `node --watch`:
// `npm run soak -- dev-edits [EDITS]` (default 20; the program ends with 1 if newel dev failed a request).
import { freePort } from "../helpers/resources.ts";
import { pollDuringEdits } from "../load/dev-scenario.ts";

const edits = Number(process.argv[2] ?? 20);
let failed = 0;
for (const tool of ["newel dev", "node --watch"] as const) {
  const run = await pollDuringEdits(tool, edits, await freePort());
  console.log(
    `${tool}: ${edits} edits, ${run.polls} requests, ${run.failed} failed, longest ${run.longestMs} ms`,
  );
  if (tool === "newel dev") failed = run.failed;
}
process.exitCode = failed === 0 ? 0 : 1;
