import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { type Scope, temporaryDirectory } from "../helpers/resources.ts";

const MODULE = new URL("../../src/bus/daemon-log.ts", import.meta.url).href;
const LIMIT_BYTES = 20_000;

/** Runs a program that logs `count` numbered lines; its stdout and stderr are the file at `path`, or a pipe. */
function logLines(path: string, count: number, stdout: "file" | "pipe"): string {
  const program = `
    import { openDaemonLog } from ${JSON.stringify(MODULE)};
    const log = openDaemonLog(${JSON.stringify(path)}, ${LIMIT_BYTES});
    for (let number = 0; number < ${count}; number += 1) log.info({ number }, "A line.");
    console.error("the last words");`;
  const file = stdout === "file" ? openSync(path, "a", 0o600) : undefined;
  const output = file ?? "pipe";
  const { status, stdout: text } = spawnSync(
    process.execPath,
    ["--input-type=module", "-e", program],
    { stdio: ["ignore", output, output], encoding: "utf8" },
  );
  if (file !== undefined) closeSync(file);
  assert.equal(status, 0);
  return text;
}

function numbersIn(path: string): number[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.flatMap((line) => (line.startsWith("{") ? [Number(JSON.parse(line).number)] : []));
}

function newPath(scope: Scope): string {
  return join(temporaryDirectory(scope), "kernel.log");
}

test("a daemon's log is rotated before it exceeds its limit; one old file is kept", (t) => {
  const path = newPath(t);
  const count = 2_000;
  logLines(path, count, "file");
  const [older, newer] = [numbersIn(`${path}.1`), numbersIn(path)];
  const kept = [...older, ...newer];
  assert.ok(older.length > 0 && newer.length > 0 && kept.length < count);
  assert.deepEqual(
    kept,
    Array.from({ length: kept.length }, (_, index) => count - kept.length + index),
    "the newest lines, whole and in order",
  );
  for (const file of [path, `${path}.1`]) {
    assert.ok(statSync(file).size <= LIMIT_BYTES + "the last words\n".length, file);
    assert.equal(statSync(file).mode & 0o777, 0o600, file);
  }
  assert.match(readFileSync(path, "utf8"), /the last words\n$/, "stderr is in the new file");
});

test("the size that an earlier daemon left counts", (t) => {
  const path = newPath(t);
  writeFileSync(path, "x".repeat(LIMIT_BYTES - 1), { mode: 0o600 });
  logLines(path, 1, "file");
  assert.equal(statSync(`${path}.1`).size, LIMIT_BYTES - 1);
  assert.deepEqual(numbersIn(path), [0]);
});

test("a log to any other output is not rotated", (t) => {
  const path = newPath(t);
  writeFileSync(path, "of another daemon\n");
  const text = logLines(path, 500, "pipe");
  assert.equal(text.split("\n").filter((line) => line.includes("A line.")).length, 500);
  assert.equal(readFileSync(path, "utf8"), "of another daemon\n");
  assert.ok(!existsSync(`${path}.1`));
});
