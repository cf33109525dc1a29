// The tests of the job server that have a count, at their full ones: a handler that blocks its event
// loop for 75 s runs once; no effect of a finished step comes twice when its process is killed 50 times.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const files = ["running", "stopping"].map((name) =>
  fileURLToPath(new URL(`../jobs/server/${name}.test.ts`, import.meta.url)),
);
const names = ["--test-name-pattern=blocks its event loop", "--test-name-pattern=finished step"];
const child = spawn(process.execPath, ["--test", ...names, ...files], {
  stdio: ["ignore", "pipe", "inherit"],
  env: { ...process.env, BLOCKED_MS: "75000", KILLS: "50", STEP_MS: "150" },
});
const [output, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
const kills = /(\d+) kills/.exec(output)?.[1] ?? "no";
if (code !== 0) console.log(output);
console.log(`blocked for 75 s: once; ${kills} kills: no effect twice`);
process.exitCode = code === 0 ? 0 : 1;
