// Every fenced block of the pages is tried, by this file, started.test.ts, followed.test.ts, bus.test.ts, or the test that a list names.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { parseArguments } from "../../src/cli/arguments.ts";
import { loadCommand, splitName } from "../../src/cli/table.ts";
import { temporaryDirectory } from "../helpers/resources.ts";
import {
  type Block,
  blocksOf,
  newelCommands,
  PAGES,
  PAGES_ELSEWHERE,
  PAGES_FOLLOWED,
  readPage,
  ROOT,
  shellLines,
} from "./pages.ts";

/** Blocks in no language that is tried here: how each begins, and the test or the reason. */
const BLOCKS_ELSEWHERE: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  "docs/guide/deploy.md": [["name: deploy", "test/deploy/ssh.test.ts"]],
  "docs/guide/kernel.md": [
    ['import { createServer } from "node:http";', "test/kernel/guide.test.ts"],
    ["$ newel telnet", "test/kernel/guide.test.ts"],
  ],
  "docs/guide/upgrade.md": [
    ["$NEWEL_HOME/runtime/", "a list of files"],
    ["# systemctl edit newel-kernel", "test/kernel/systemd.test.ts"],
  ],
  "docs/reference/config.md": [
    ["newel.config.ts:5  services.web.instances", "test/supervisor/config/docs.test.ts"],
  ],
  "docs/reference/kernel-protocol.md": [
    ["$ telnet localhost 20202", "test/docs/protocol.test.ts"],
    ["out:NAME:SECONDS:LENGTH", "a form, not an example"],
    ['{"id":1,"do":"make process"', "test/docs/protocol.test.ts"],
    ['{"id":3,"output":', "test/docs/protocol.test.ts"],
  ],
};

/** Code that the TypeScript blocks leave to the reader, by page. */
const DECLARED: Readonly<Record<string, string>> = {
  "README.md": "declare const task: string, signal: AbortSignal;",
  "docs/guide/jobs-sqlite.md": "declare function send(to: string): Promise<void>;",
  "docs/guide/bus.md":
    "declare const database: { connect(): Promise<void>; close(): Promise<void> };",
};

const tried = PAGES.filter((page) => !Object.hasOwn(PAGES_ELSEWHERE, page))
  .flatMap(blocksOf)
  .filter(({ page, file }) => !Object.hasOwn(PAGES_FOLLOWED, page) || file === "newel.config.ts");

test("every block is ts or sh, or is in the list with the test or the reason", () => {
  const others = tried.filter(({ language }) => language !== "ts" && language !== "sh");
  for (const page of PAGES) {
    const begins = BLOCKS_ELSEWHERE[page] ?? [];
    const found = others.filter((block) => block.page === page);
    assert.deepEqual(
      found.map(({ code }, index) => code.slice(0, begins[index]?.[0].length ?? 60)),
      begins.map(([beginning]) => beginning),
      `blocks of ${page} that are neither ts nor sh: ${found.map(({ place }) => place).join(", ")}`,
    );
  }
});

test("the pages and the test files of the list exist", () => {
  const listed = Object.values(BLOCKS_ELSEWHERE).flat();
  const files = [...Object.values(PAGES_ELSEWHERE), ...listed.map(([, where]) => where)];
  for (const file of [...Object.keys(PAGES_ELSEWHERE), ...Object.keys(BLOCKS_ELSEWHERE)])
    assert.ok(PAGES.includes(file), file);
  for (const file of files.filter((each) => each.startsWith("test/")))
    assert.ok(existsSync(join(ROOT, file)), file);
});

async function checkWords(words: readonly string[], anyCount: boolean): Promise<void> {
  const { name, rest } = splitName(words);
  const command = await loadCommand(name);
  parseArguments(anyCount ? { ...command, words: { max: 99 } } : command, rest);
}

test("every newel line of a shell block has a command, options and words that exist", async () => {
  const lines = PAGES.flatMap(blocksOf)
    .filter(({ language }) => language === "sh")
    .flatMap(shellLines);
  assert.ok(lines.length > 60, `only ${lines.length} lines`);
  for (const { place, line } of lines)
    for (const words of newelCommands(line))
      await assert.doesNotReject(checkWords(words, false), `${place}: ${line}`);
});

test("every newel command in a sentence exists, with its options", async () => {
  for (const page of [...PAGES, "docs/errors.md", "CHANGELOG.md"]) {
    const text = readPage(page).replace(/^```[^]*?^```$|^#.*$/gm, "");
    for (const [span, words = ""] of text.matchAll(/`(?:npx )?newel ([^`[…]+)`/g))
      await assert.doesNotReject(
        checkWords(newelCommands(`newel ${words}`)[0] ?? [], true),
        `${page}: ${span}`,
      );
  }
});

/** The modules of a block: several where comments name files. */
function modulesOf({ code, page, place }: Block): [string, string][] {
  const names = place.replaceAll(/\W/g, "_");
  const parts = code.split(/^(?=\/\/ \S+\.ts$)/m).filter((part) => part !== "");
  return parts.map((part, index) => {
    const missing = ["Bus", "startChild", "joinParent", "signals"].filter(
      (name) => new RegExp(`\\b${name}\\(|new ${name}\\b`).test(part) && !/^import /m.test(part),
    );
    const imports =
      missing.length === 0 ? "" : `import { ${missing.join(", ")} } from "newel/bus";`;
    const bus = missing.length > 0 && !/const bus\b/.test(part) ? BUS : "";
    return [`${names}_${index}.ts`, [imports, bus, DECLARED[page] ?? "", part].join("\n")];
  });
}

const BUS = 'declare const bus: import("newel/bus").Bus;';

test("the types of every TypeScript block are right", (t) => {
  const directory = temporaryDirectory(t);
  const modules = tried.filter(({ language }) => language === "ts").flatMap(modulesOf);
  assert.ok(modules.length > 8, `only ${modules.length} modules`);
  for (const [name, code] of modules) writeFileSync(join(directory, name), `${code}\nexport {};\n`);
  writeFileSync(
    join(directory, "worker.ts"),
    "export async function run(task: string): Promise<number> { return task.length; }\n",
  );
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  const source = join(ROOT, "src");
  writeFileSync(
    join(directory, "tsconfig.json"),
    JSON.stringify({
      extends: join(ROOT, "tsconfig.json"),
      compilerOptions: {
        noUnusedLocals: false,
        noUnusedParameters: false,
        noPropertyAccessFromIndexSignature: false,
        typeRoots: [join(ROOT, "node_modules/@types")],
        paths: {
          newel: [join(source, "index.ts")],
          "newel/*": [join(source, "*/index.ts")],
          bullmq: [join(ROOT, "node_modules/bullmq/dist/esm/index.d.ts")],
        },
      },
      include: ["*.ts"],
    }),
  );
  const { stdout, status } = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", directory], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout);
});
