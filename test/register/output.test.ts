import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, createReadStream, openSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { startProcess, temporaryDirectory } from "../helpers/resources.ts";
import { preloadPath } from "../../src/base/modules.ts";

const LINES = 20_000;
const LAST_WORDS = {
  "process.exit()": "process.exit(0)",
  "abort()": "process.abort()",
  "an uncaught error": "throw new Error('the last one')",
  "an unhandled rejection": "Promise.reject(new Error('the last one'))",
};

for (const [name, ending] of Object.entries(LAST_WORDS)) {
  for (const kind of ["a pipe", "a FIFO"] as const) {
    test(`20,000 lines before ${name} arrive completely through ${kind}`, async (t) => {
      const code = `for (let i = 0; i < ${LINES}; i += 1) console.log('line ' + i); ${ending};`;
      const args = ["--require", preloadPath(), "-e", code];
      const env = { ...process.env, NEWEL_PROCESS: "web.1", NEWEL_ENTRY: "1" };
      let output: Readable;
      if (kind === "a FIFO") {
        // As from the kernel: a named pipe, open for reading and writing in the child.
        const path = join(temporaryDirectory(t), "out");
        execFileSync("mkfifo", [path]);
        const writeEnd = openSync(path, constants.O_RDWR);
        output = createReadStream(path);
        const stdio = ["ignore", writeEnd, "ignore"] as const;
        const child = startProcess(t, process.execPath, args, { env, stdio: [...stdio] });
        child.once("exit", () => closeSync(writeEnd));
      } else {
        const child = startProcess(t, process.execPath, args, {
          env,
          stdio: ["ignore", "pipe", "ignore"],
        });
        assert.ok(child.stdout);
        output = child.stdout;
      }
      // A reader that comes late: the pipe is long full, and the app waits for it.
      await sleep(200);
      let count = 0;
      for await (const line of createInterface({ input: output })) {
        assert.equal(line, `line ${count}`);
        count += 1;
      }
      assert.equal(count, LINES);
    });
  }
}

test("stderr is complete too, and the exit code stays", async (t) => {
  const code = `for (let i = 0; i < ${LINES}; i += 1) console.error('line ' + i); process.exit(9);`;
  const child = startProcess(t, process.execPath, ["--require", preloadPath(), "-e", code], {
    env: { ...process.env, NEWEL_PROCESS: "web.1", NEWEL_ENTRY: "1" },
  });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  await sleep(200);
  assert.ok(child.stderr);
  const lines = await Array.fromAsync(createInterface({ input: child.stderr }));
  assert.equal(lines.length, LINES);
  assert.equal(await exited, 9);
});
