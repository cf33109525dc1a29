/** The figures of README.md are those of the benchmarks, and its picture is drawn by a program of the repository. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { drawTerminal } from "../../scripts/picture/terminal.ts";
import { readPage } from "./pages.ts";

/** Sums the cells "FAILED of ALL" of a column of the reload table. */
function sumOf(column: number): string {
  const sums = [0, 0];
  for (const row of readPage("docs/benchmarks.md").matchAll(/^\|.* of .*\|$/gm)) {
    const cell = row[0].split("|")[column + 1] ?? "";
    const [, failed, all] = /^ ([\d,]+) of ([\d,]+)/.exec(cell) ?? [];
    if (failed === undefined || all === undefined) continue;
    for (const [at, text] of [failed, all].entries()) {
      sums[at] = (sums[at] ?? 0) + Number(text.replaceAll(",", ""));
    }
  }
  return sums.map((sum) => sum.toLocaleString("en")).join(" of ");
}

test("the failed requests are the sums of the table of reloads", () => {
  const readme = readPage("README.md");
  const [newel, pm2] = [sumOf(1), sumOf(4)];
  assert.match(newel, /^0 of \d\d,\d{3}$/);
  assert.ok(readme.includes(`${newel} requests failed; ${pm2} with pm2`), `${newel}; ${pm2}`);
});

test("the picture has each line with its colours and spaces", () => {
  const svg = drawTerminal(["$ newel ps", "\u001B[1mA  B\u001B[22m <\u001B[32mup\u001B[39m&"], "t");
  assert.ok(svg.includes('fill="#79c0ff">$\u00A0newel\u00A0ps<'));
  assert.ok(
    svg.includes('<tspan font-weight="bold">A\u00A0\u00A0B</tspan><tspan>\u00A0&lt;</tspan>'),
  );
  assert.ok(svg.includes('fill="#7ee787">up</tspan><tspan>&amp;</tspan>'));
});

test("the picture of README.md shows a run without a failed request", () => {
  const svg = readPage("docs/images/terminal.svg").replaceAll("\u00A0", " ");
  assert.match(svg, /# [\d,]+ requests during these commands, 0 failed/);
  for (const command of ["newel up", "newel reload web", "kill -9 \\d+", "newel ps"]) {
    assert.match(svg, new RegExp(`\\$ ${command}`));
  }
});
