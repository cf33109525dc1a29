import assert from "node:assert/strict";
import { test } from "node:test";

import { followProgress } from "../../src/cli/output/progress.ts";
import type { Progress } from "../../src/supervisor/api.ts";
import { captured } from "./capture.ts";

async function* stream(...events: Progress[]): AsyncGenerator<Progress> {
  yield* events;
}

const STEP: Progress = { type: "step", service: "web", text: "start web.3" };
const FAILED: Progress = {
  type: "failed",
  service: "web",
  process: "web.3",
  code: "NEWEL_E_NOT_READY",
  message: "web.3 did not get ready.",
  fix: "Fix it.",
  lines: ["boom", "  at line 1"],
};
const end = (ok: boolean, changed = true): Progress => ({ type: "end", ok, changed });

test("progress goes to stderr, and the end decides the exit code", async () => {
  const { output, stdout, stderr } = captured();
  assert.deepEqual(await followProgress(stream(STEP, end(true)), output), {
    exitCode: 0,
    changed: true,
  });
  assert.equal(stdout.text, "");
  assert.equal(stderr.text, "  start web.3\n");
});

test("a failure shows the last lines, the message, the fix and the code; exit code 1", async () => {
  const { output, stderr } = captured();
  const { exitCode } = await followProgress(stream(STEP, FAILED, end(false)), output);
  assert.equal(exitCode, 1);
  assert.equal(
    stderr.text,
    [
      "  start web.3",
      "The last lines of web.3:",
      "  | boom",
      "  |   at line 1",
      "error: web.3 did not get ready.",
      "Fix it. (NEWEL_E_NOT_READY)",
      "",
    ].join("\n"),
  );
});

test("a name that does not exist keeps its exit code, unless something else failed too", async () => {
  const { output } = captured();
  const missing: Progress = { ...FAILED, code: "NEWEL_E_NO_SERVICE" };
  assert.equal((await followProgress(stream(missing, end(false)), output)).exitCode, 4);
  assert.equal((await followProgress(stream(missing, FAILED, end(false)), output)).exitCode, 1);
});

test("an end without ok, or a stream without an end, is a failure", async () => {
  const { output } = captured();
  assert.equal((await followProgress(stream(end(false)), output)).exitCode, 1);
  assert.equal((await followProgress(stream(STEP), output)).exitCode, 1);
});

test("killed processes are listed", async () => {
  const { output, stderr } = captured();
  const killed: Progress = {
    type: "killed",
    service: "web",
    process: "web.1",
    killed: [{ pid: 7, command: "sleep\t9" }],
  };
  await followProgress(stream(killed, end(true)), output);
  assert.equal(
    stderr.text,
    "  web.1: killed the processes that outlived the stop:\n    7 sleep?9\n",
  );
});

test("--json gives every event as one object a line", async () => {
  const { output, stdout } = captured({ json: true });
  await followProgress(stream(STEP, FAILED, end(false)), output);
  const objects = stdout.text
    .trimEnd()
    .split("\n")
    .map((line): unknown => JSON.parse(line));
  assert.deepEqual(
    objects,
    [STEP, FAILED, end(false)].map((event) => ({ v: 1, ...event })),
  );
});

test("--timeout stops waiting with 124 and reports that the work continues", async () => {
  const { output, stderr } = captured();
  const stuck = {
    async *[Symbol.asyncIterator](): AsyncGenerator<Progress> {
      yield STEP;
      await new Promise((resolve) => setTimeout(resolve, 200));
    },
  };
  const { exitCode } = await followProgress(stuck, output, { timeoutMs: 20 });
  assert.equal(exitCode, 124);
  assert.match(stderr.text, /Not done after 20 ms\. The work continues/);
});
