import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { check, lowered, measure } from "../../scripts/prose/budget.ts";
import { findingsOf } from "../../scripts/prose/rules.ts";
import { sentencesOfPage, sentencesOfSource } from "../../scripts/prose/sentences.ts";

describe("prose rules", () => {
  const FOUND: Record<string, string[]> = {
    clause: [
      "Who has the lock renews it.",
      "The lock is renewed by who has it.",
      "Whoever was late looks the other run up.",
      "No answer leaves before what it reports is kept.",
      "Sends what was kept.",
      "The pool closes, whatever the workers do.",
      "What the kernel gave to the worker is lost.",
      "Where the jobs of a queue are.",
    ],
    word: [
      "The next version mends the file.",
      "The kernel starts it anew.",
      "The socket stands beside the file.",
      "The worker runs in a process of its own.",
      "Starts so many workers.",
      "The port belongs to nobody.",
      "Then somebody holds the lock.",
      "The client is told of the end.",
      "The listener tells when the run ended.",
      "The owner looks after the file.",
      "The server goes on without the store.",
      "A crash that befell the worker is logged.",
      "The worker waits meanwhile.",
      "No descriptor is to be had.",
      "Lists services and how they are.",
    ],
    term: [
      "The commit rings the doorbell.",
      "A wish is a row of the store.",
      "The vigil ends with the connection.",
      "A frugal kernel has no compiler.",
      "The next start removes the leftovers.",
      "The fate of the task is kept.",
      "The supervisor starts one copy of a service.",
    ],
    actor: [
      "Those who wait get the lock.",
      "The one whose lease ended stops.",
      "Prints all there is about a run.",
      "The store keeps that which was written.",
      "They keep both cores busy.",
      "It has ended already.",
    ],
    inversion: [
      "The news leaves first, because to wake a thread takes as long as a commit.",
      "To open the file costs a millisecond.",
    ],
  };
  for (const [rule, sentences] of Object.entries(FOUND)) {
    for (const sentence of sentences) {
      test(`${rule} finds: ${sentence}`, () => assert.ok(rulesOf(sentence).includes(rule)));
    }
  }

  const PLAIN = [
    "The worker renews the lock of the job.",
    "Detects dead processes by their released flock and requeues their jobs.",
    "The error says what failed, why, and what to do.",
    "Decides what to start next.",
    "A row has two texts: what failed and why.",
    "The line says how long the stop takes, and what follows.",
    "What if the disk is full?",
    "Shows which process holds the port and who owns it.",
    "A client who closes the connection cancels its calls.",
    "The start time tells the process from a later one with the same pid.",
    "The name tells services of the same app apart.",
    "The supervisor is told to stop.",
    "The flag goes on the command line.",
    'The option `whatever` and the text "nobody told of it" are no prose.',
    "Where the platform has no pidfd, the kernel polls.",
    "The singletons that this thread takes part in.",
    "To stop a service, send SIGTERM.",
    "So many that the queue is full.",
  ];
  for (const sentence of PLAIN) {
    test(`plain: ${sentence}`, () => assert.deepEqual(rulesOf(sentence), []));
  }

  test("a glossary term of one part is a common word elsewhere", () => {
    const text = "// A maker of types.\n";
    const rules = (file: string): string[] =>
      sentencesOfSource(file, text).flatMap((sentence) =>
        findingsOf(sentence).map((one) => one.rule),
      );
    assert.deepEqual(rules("src/singleton/a.ts"), ["term"]);
    assert.deepEqual(rules("src/wire/a.ts"), []);
  });
});

describe("sentences of source files", () => {
  test("comments: neighbouring lines are one text, and each sentence has its line", () => {
    const source = [
      "const a = 1; // Behind code.",
      "// First sentence that",
      "// goes over lines. Second one.",
      "//",
      "// - an item",
      "/**",
      " * A block.",
      " *",
      " * @param name - the name of it",
      " * @throws NEWEL_E_NAME",
      " * @example",
      " * for (const who of whatever) break;",
      " */",
      "// oxlint-disable-next-line no-console",
    ].join("\n");
    assert.deepEqual(
      sentencesOfSource("src/a.ts", source).map(({ kind, line, lines, text }) => [
        kind,
        line,
        lines,
        text,
      ]),
      [
        ["comments", 1, 1, "Behind code."],
        ["comments", 2, 2, "First sentence that goes over lines."],
        ["comments", 3, 1, "Second one."],
        ["comments", 5, 1, "an item"],
        ["comments", 7, 1, "A block."],
        ["comments", 9, 1, "the name of it"],
      ],
    );
  });

  test("strings, templates and regular expressions hold no comments", () => {
    const source = [
      "const a = '// no', b = `/* no */ ${c /* yes one */ + `// no`} // no`;",
      "const d = /[/]\\/\\* no/.test(a) ? 6 / 2 / 1 : x.length / 2; // yes two",
      'if (a === "\\"// no") return /"/u; // yes three',
    ].join("\n");
    assert.deepEqual(
      sentencesOfSource("src/a.ts", source).map(({ text }) => text),
      ["yes one", "yes two", "yes three"],
    );
  });

  test("titles are the first arguments of test functions, not other strings", () => {
    const source = [
      'describe("the pool", () => {',
      "  test.skip(`a worker of ${kind} ends`, () => run('not a title at all'));",
      '  await t.test("its \\"name\\" is kept", () => {});',
      "  it(",
      '    "is found on its own line",',
      "  );",
      "});",
    ].join("\n");
    assert.deepEqual(
      sentencesOfSource("test/a.test.ts", source).map(({ kind, line, text }) => [kind, line, text]),
      [
        ["titles", 1, "the pool"],
        ["titles", 2, "a worker of ¤ ends"],
        ["titles", 3, 'its "name" is kept'],
        ["titles", 5, "is found on its own line"],
      ],
    );
  });

  test("errors are the strings that read as sentences", () => {
    const source = [
      'const row = { text: "The file {path} cannot be read: {why}.", key: "a-key" };',
      'const joined = "The first half of it " +',
      '  "and the second half.";',
      'const sql = "SELECT a FROM b WHERE c is not null and d";',
    ].join("\n");
    assert.deepEqual(
      sentencesOfSource("src/a.ts", source).map(({ kind, line, text }) => [kind, line, text]),
      [
        ["errors", 1, "The file {path} cannot be read: {why}."],
        ["errors", 2, "The first half of it and the second half."],
      ],
    );
  });
});

test("pages: code blocks are left out; headings, items and cells are texts of their lines", () => {
  const page = [
    "# What it does",
    "Starts `whoever`. Ends",
    "later.",
    "```sh",
    "who goes there",
    "```",
    "- an item",
    "",
    "| name | meaning |",
    "| --- | --- |",
    "| first one | the first |",
  ].join("\n");
  assert.deepEqual(
    sentencesOfPage("docs/a.md", page).map(({ line, text, role }) => [line, text, role]),
    [
      [1, "What it does", "heading"],
      [2, "Starts `whoever`.", "text"],
      [2, "Ends later.", "text"],
      [7, "an item", "text"],
      [11, "first one", "text"],
      [11, "the first", "text"],
    ],
  );
  assert.deepEqual(sentencesOfPage("docs/a.md", page).flatMap(findingsOf), []);
});

describe("budget", () => {
  const budget = { comments: { "src/a": { findings: 2, sentences: 20 } } };
  const now = (findings: number, sentences: number, folder = "src/a") => ({
    comments: { [folder]: { findings, sentences } },
  });

  test("counts a sentence once, however many findings it has", () => {
    const [one] = sentencesOfSource(
      "src/a/b.ts",
      "// Whoever mends it is told of it.\n// Fine words.\n",
    );
    assert.ok(one !== undefined);
    const findings = findingsOf(one);
    assert.ok(findings.length > 1);
    const rows = [findings, []].map((some) => ({ ...one, folder: "src/a", findings: some }));
    assert.deepEqual(measure(rows), now(1, 2));
  });

  test("a share above the budget fails; an equal or smaller one passes", () => {
    assert.equal(check(budget, now(3, 20)).length, 1);
    assert.deepEqual(check(budget, now(2, 20)), []);
    assert.deepEqual(check(budget, now(1, 5)), [], "plain sentences were removed");
    assert.deepEqual(check(budget, now(4, 40)), []);
  });

  test("a folder without a budget may have 3 %", () => {
    assert.deepEqual(check(budget, now(3, 100, "src/new")), []);
    assert.equal(check(budget, now(4, 100, "src/new")).length, 1);
  });

  test("lowering never raises a share, and drops folders that are gone", () => {
    assert.deepEqual(lowered(budget, now(1, 20)), now(1, 20));
    assert.deepEqual(lowered(budget, now(5, 20)), budget);
    assert.deepEqual(lowered(budget, now(9, 100, "src/new")), now(3, 100, "src/new"));
  });
});

/** The rules that a comment with this sentence breaks. */
function rulesOf(sentence: string): string[] {
  const found = sentencesOfSource("src/jobs/a.ts", `// ${sentence}\n`).flatMap(findingsOf);
  return [...new Set(found.map(({ rule }) => rule))];
}
