import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { eventually, freePort, startProcess, temporaryDirectory } from "../helpers/resources.ts";
import { later } from "./watched-bus.ts";

interface Answer {
  readonly word: string;
  readonly started: number;
  readonly generation: number;
}

interface Reloading {
  readonly directory: string;
  readonly word: string;
  readonly output: () => string;
  readonly ask: () => Promise<Answer>;
  readonly generation: (n: number) => Promise<Answer>;
  readonly end: () => Promise<unknown>;
}

/** The fixture in a separate directory, with a module to edit. */
async function reloading(t: TestContext): Promise<Reloading> {
  const directory = temporaryDirectory(t);
  const source = readFileSync(new URL("fixtures/reload.ts.template", import.meta.url), "utf8");
  const newel = new URL("../../src/", import.meta.url).href.replace(/\/$/, "");
  writeFileSync(join(directory, "main.ts"), source.replaceAll("NEWEL", newel));
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  const word = join(directory, "word.ts");
  writeFileSync(word, 'export const word: string = "one";\n');
  const port = await freePort();
  const child = startProcess(t, process.execPath, ["main.ts", String(port)], { cwd: directory });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk) => (output += String(chunk)));
  await eventually(() => output.includes("READY 0"), "it serves");
  const ask = async (): Promise<Answer> => {
    const headers = { connection: "close" };
    return (await (await fetch(`http://127.0.0.1:${port}/`, { headers })).json()) as Answer;
  };
  const generation = (n: number): Promise<Answer> =>
    eventually(async () => {
      const answer = await ask();
      return answer.generation === n && answer;
    }, `generation ${n}, not:\n${output}`);
  const end = (): Promise<unknown> => {
    child.kill("SIGTERM");
    return once(child, "close");
  };
  return { directory, word, output: () => output, ask, generation, end };
}

test("73. touching a loaded source file restarts the app, its start is later", async (t) => {
  const { word, ask, generation, end } = await reloading(t);
  for (const n of [1, 2, 3]) {
    const before = await ask();
    utimesSync(word, new Date(), new Date());
    assert.ok((await generation(n)).started > before.started);
  }
  await end();
});

test("74. a module without a file is skipped without error", async (t) => {
  const { output, ask, end } = await reloading(t);
  await later(300);
  assert.equal((await ask()).generation, 0);
  assert.doesNotMatch(output(), /error|warn/);
  await end();
});

test("87. each kind of edit causes one restart: older, same time, rename-over, deletion, creation", async (t) => {
  const { directory, word, ask, generation, output, end } = await reloading(t);
  const settings = join(directory, "settings.json");
  const edits: [string, () => void][] = [
    ["an older time", () => utimesSync(word, 1_000, 1_000)],
    [
      "the same time and size, other content",
      () => {
        const { atimeMs, mtimeMs } = statSync(word);
        writeFileSync(word, 'export const word: string = "two";\n');
        utimesSync(word, atimeMs / 1_000, mtimeMs / 1_000);
      },
    ],
    [
      "a file renamed over it",
      () => {
        writeFileSync(`${word}.new`, 'export const word: string = "six";\n');
        renameSync(`${word}.new`, word);
      },
    ],
    ["a file that appears", () => writeFileSync(settings, "{}")],
    ["its deletion", () => rmSync(settings)],
  ];
  for (const [n, [what, edit]] of edits.entries()) {
    edit();
    await generation(n + 1);
    await later(400);
    assert.equal((await ask()).generation, n + 1, `${what} causes one restart`);
  }
  assert.equal(output().match(/Restarting because of/g)?.length, 5);
  assert.equal((await ask()).word, "six");
  await end();
});

test("while the new code does not load the old app answers, and the repaired code goes live", async (t) => {
  const { word, ask, generation, output, end } = await reloading(t);
  let refusals = 0;
  for (const broken of [
    "export const word = (;\n",
    'import "./missing.ts";\nexport const word = "x";\n',
  ]) {
    writeFileSync(word, broken);
    refusals += 1;
    await eventually(() => output().match(/Not restarted/g)?.length === refusals, "it refuses");
    assert.deepEqual([(await ask()).generation, (await ask()).word], [0, "one"]);
  }
  writeFileSync(word, 'export const word: string = "mended";\n');
  assert.equal((await generation(1)).word, "mended");
  await end();
});
