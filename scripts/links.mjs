// Checks that each link of the pages to another site is answered: `npm run links`. Links between the pages are
// checked by test/docs/links.test.ts.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

const TRIES = 3;
const TIMEOUT_MS = 20_000;
/** Answers of a site that exists and refuses programs, or too many requests. */
const REFUSALS = new Set([401, 403, 405, 429]);

const root = join(import.meta.dirname, "..");
const pages = globSync(["*.md", "docs/**/*.md", ".github/**/*.md"], { cwd: root });
const links = new Map();
for (const page of pages.sort()) {
  const text = readFileSync(join(root, page), "utf8").replaceAll(/^```[^]*?^```$/gm, "");
  for (const [, link] of text.matchAll(/(?:\]\(|<)(https?:\/\/[^)>\s]+)[)>]/g)) {
    links.set(link, [...(links.get(link) ?? []), page]);
  }
}

const problems = await Promise.all([...links.keys()].map((link) => problemOf(link)));
let failed = 0;
for (const [index, [link, where]] of [...links].entries()) {
  if (problems[index] === undefined) continue;
  failed += 1;
  console.log(`${link}: ${problems[index]} (${where.join(", ")})`);
}
console.log(`${links.size} links of ${pages.length} pages, ${failed} without an answer.`);
process.exit(failed === 0 ? 0 : 1);

async function problemOf(link) {
  let problem;
  for (let count = 0; count < TRIES; count += 1) {
    try {
      const { status, ok } = await fetch(link, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (ok || REFUSALS.has(status)) return undefined;
      problem = `answered ${status}`;
    } catch (error) {
      problem = error.cause?.message ?? error.message;
    }
  }
  return problem;
}
