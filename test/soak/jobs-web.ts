// Soak: imports followed in Chromium while the site and the job server are stopped and killed at random:
// `node test/soak/jobs-web.ts [IMPORTS]`, by default 20. One line at the end, exit code 1 on failure.
import { setTimeout as sleep } from "node:timers/promises";

import { startChromium } from "../helpers/chromium.ts";
import { checkFollowed, Example, startImport, watchImports } from "../jobs/web/contacts-site.ts";
import { withScope } from "../load/scope.ts";

const KILLS = 6;

const imports = Number(process.argv[2] ?? 20);
const started = performance.now();
const problems: string[] = [];
let kills = 0;

await withScope(async (scope) => {
  const example = await Example.start(scope, 80);
  const browser = await startChromium(scope);
  for (let at = 0; at < imports; at += 1) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await watchImports(page);
    await startImport(page, example.url);
    for (let kill = 0; kill < KILLS && page.url().includes("/imports/"); kill += 1) {
      await sleep(300 + Math.random() * 1_200);
      const which = Math.random() < 0.5 ? "web" : "jobs";
      await example.stop(which, Math.random() < 0.5 ? "SIGTERM" : "SIGKILL");
      await example.run(which);
      kills += 1;
    }
    await checkFollowed(page, 0).catch((error: unknown) => {
      problems.push(error instanceof Error ? error.message : String(error));
    });
    await context.close();
  }
});
const seconds = Math.round((performance.now() - started) / 1_000);
const ok = problems.length === 0 && kills >= imports;
console.log(JSON.stringify({ soak: "jobs-web", ok, seconds, imports, kills, problems }));
process.exitCode = ok ? 0 : 1;
