// Checks that comments, test titles, docs and error texts are plain technical English.
//
//   node scripts/prose.mjs               fails when a share is above its budget, and lists the new findings
//   node scripts/prose.mjs --list [PATH] lists the findings, of all files or of those below PATH
//   node scripts/prose.mjs --lower       writes the present shares as budgets where they are smaller
//
// A share is the part of the sentences of one kind in one folder that has a finding. The budgets
// (scripts/prose-budget.json) only fall. The patterns are in scripts/prose/rules.ts.
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

import { check, lowered, measure, shareOf } from "./prose/budget.ts";
import { changedLines, readSentences } from "./prose/files.ts";
import { findingsOf } from "./prose/rules.ts";

const BUDGET = new URL("prose-budget.json", import.meta.url);
const root = new URL("..", import.meta.url).pathname;
const [mode = "--check", path = ""] = process.argv.slice(2);
const sentences = readSentences(root).map((sentence) => ({
  ...sentence,
  findings: findingsOf(sentence),
}));
const budget = JSON.parse(readFileSync(BUDGET, "utf8"));
const measured = measure(sentences);

if (mode === "--list") list(sentences.filter(({ file }) => file.startsWith(path)));
else if (mode === "--lower") write(lowered(budget, measured));
else if (mode === "--check") report(check(budget, measured));
else usage();

function list(some) {
  for (const sentence of some) print(sentence);
  table(measure(some));
}

function print({ file, line, text, findings }) {
  if (findings.length === 0) return;
  const rules = findings.map(({ rule, found, advice }) => `${rule} "${found}": ${advice}`);
  console.log(`${file}:${line}: ${rules.join("; ")}\n    ${text}`);
}

function table(counts) {
  for (const [kind, folders] of Object.entries(counts)) {
    const rows = Object.values(folders);
    const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
    const total = { findings: sum("findings"), sentences: sum("sentences") };
    console.log(`${kind}: ${percent(total)} (${total.findings} of ${total.sentences} sentences)`);
  }
}

function percent(count) {
  return `${(shareOf(count) * 100).toFixed(1)} %`;
}

function write(next) {
  writeFileSync(BUDGET, `${JSON.stringify(next, null, 2)}\n`);
  table(measured);
}

function report(above) {
  table(measured);
  if (above.length === 0) return;
  const isNew = changedLines(root, "scripts/prose-budget.json");
  for (const { kind, folder, now, allowed } of above) {
    console.log(`\n${kind} in ${folder}: ${now.findings} of ${now.sentences}, budget ${allowed}`);
    const found = sentences.filter(
      (one) => one.kind === kind && one.folder === folder && one.findings.length > 0,
    );
    const fresh = found.filter(({ file, line, lines }) => isNew(file, line, line + lines - 1));
    for (const sentence of fresh.length > 0 ? fresh : found) print(sentence);
  }
  console.log("\nWrite these sentences in plain terms (CONTRIBUTING.md, Language).");
  process.exitCode = 1;
}

function usage() {
  console.error("Usage: node scripts/prose.mjs [--list [PATH] | --lower]");
  process.exitCode = 2;
}
