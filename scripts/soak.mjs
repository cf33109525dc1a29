// The long runs: every program of test/soak at its full counts, one after the other, a line each.
// `npm run soak` for all, `npm run soak -- kernel-lines` for some; `npm run soak -- zero-downtime --hogs 8 https`
// runs one with these arguments, those from the first option on, and prints all its lines.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const directory = join(root, "test", "soak");
/** Programs that are run several times, with these arguments. */
const ARGUMENTS = {
  "zero-downtime": [
    ...["http", "fastify", "express", "hono", "next", "https", "http2", "cluster", "npm"].map(
      (app) => [app],
    ),
    ["--hogs", "8", "--rounds", "4"],
  ],
};
const SHOWN_LINES = 40;

const words = process.argv.slice(2);
const firstOption = words.findIndex((word) => word.startsWith("--"));
const asked = firstOption < 0 ? words : words.slice(0, firstOption);
const given = firstOption < 0 ? [] : words.slice(firstOption);
const programs = readdirSync(directory)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => basename(file, ".ts"))
  .filter((name) => asked.length === 0 || asked.includes(name));
if (programs.length === 0) {
  console.error(`No soak of that name: ${asked.join(" ")}`);
  process.exit(2);
}

const built = spawnSync(process.execPath, [join(root, "scripts", "build.mjs")], {
  stdio: "inherit",
});
if (built.status !== 0) process.exit(1);

let failed = 0;
for (const name of programs.sort())
  for (const args of given.length > 0 ? [given] : (ARGUMENTS[name] ?? [[]]))
    if (!(await soak(name, args))) failed += 1;
if (failed > 0) console.log(`${failed} failed.`);
process.exit(failed === 0 ? 0 : 1);

async function soak(name, args) {
  const started = performance.now();
  const child = spawn(process.execPath, [join(directory, `${name}.ts`), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "exit");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await ended;
  const seconds = Math.round((performance.now() - started) / 1_000);
  const lines = `${stderr}${stdout}`.trimEnd().split("\n");
  const title = [name, ...args].join(" ");
  console.log(`${code === 0 ? "ok  " : "FAIL"} ${title} (${seconds} s): ${lines.at(-1)}`);
  if (code !== 0 || given.length > 0)
    for (const line of lines.slice(-SHOWN_LINES, -1)) console.log(`     ${line}`);
  return code === 0;
}
