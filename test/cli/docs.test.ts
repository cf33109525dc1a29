import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import type { Command, Options } from "../../src/cli/command.ts";
import { EXIT, EXIT_MEANINGS } from "../../src/cli/exit-codes.ts";
import { optionForms } from "../../src/cli/help.ts";
import { commandNames, loadCommand } from "../../src/cli/table.ts";

const PAGE = readFileSync(new URL("../../docs/reference/cli.md", import.meta.url), "utf8");

/** The part of the page below a heading. */
function section(heading: string): string {
  const start = PAGE.indexOf(`${heading}\n`);
  assert.notEqual(start, -1, `the page has no "${heading}"`);
  const level = heading.slice(0, heading.indexOf(" "));
  const rest = PAGE.slice(start + heading.length);
  const end = rest.search(new RegExp(`^#{2,${level.length}} `, "m"));
  return end === -1 ? rest : rest.slice(0, end);
}

/** The first cells of the table of a section. */
function firstCells(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| option"))
    .map((line) => line.split(" | ")[0]?.slice(2) ?? "");
}

function headingOf({ name, usage }: Command): string {
  return `### \`${`newel ${name} ${usage}`.trim()}\``;
}

function shownOptions(options: Options): string[] {
  return Object.entries(options)
    .filter(([, { hidden }]) => hidden !== true)
    .map(([name, option]) =>
      optionForms(name, option)
        .map((form) => `\`${form}\``)
        .join(", "),
    );
}

test("the page has every command, in the order of the help, and no other", async () => {
  const commands = await Promise.all(commandNames().map(loadCommand));
  assert.deepEqual(PAGE.match(/^### `newel .*$/gm), commands.map(headingOf));
});

for (const name of commandNames()) {
  test(`the page describes newel ${name} with the summary, options and examples of its help`, async () => {
    const command = await loadCommand(name);
    const text = section(headingOf(command));
    assert.ok(text.includes(`\n\n${command.summary}.\n`), "its summary");
    assert.deepEqual(firstCells(text), shownOptions(command.options));
    const [, shown = ""] = /```sh\n([^]*?)\n```/.exec(text) ?? [];
    assert.deepEqual(
      shown.split("\n"),
      command.examples.map(({ line, does }) => `${line}  # ${does}`),
    );
  });
}

test("the page has every exit code with its meaning, and no other", () => {
  const rows = section("## Exit codes").match(/^\| \d+ \| .* \|$/gm);
  assert.deepEqual(
    rows,
    Object.entries(EXIT).map(
      ([name, code]) => `| ${code} | ${EXIT_MEANINGS[name as keyof typeof EXIT]} |`,
    ),
  );
});

test("the words of other tools that the page names are understood", async () => {
  for (const [, words = "", name = ""] of section("## Words of other tools").matchAll(
    /((?:`[a-z]+`(?:, | and )?)+) (?:are|is) `([a-z]+)`/g,
  ))
    for (const [, word = ""] of words.matchAll(/`([a-z]+)`/g))
      assert.equal((await loadCommand(word)).name, name);
});
