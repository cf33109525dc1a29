import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { type Scope, temporaryDirectory } from "../../helpers/resources.ts";

const withoutStrace =
  spawnSync("strace", ["-V"]).status === 0 ? false : "needs strace: apt-get install strace";
const PRODUCER = fileURLToPath(new URL("fixtures/producer.ts", import.meta.url));
const FINISHER = fileURLToPath(new URL("fixtures/finisher.ts", import.meta.url));
const JOBS = 12;

/** Syncs that ended before each line that the program says of a job, since the one before it. */
function syncsBefore(
  scope: Scope,
  synchronous: string,
  { program = PRODUCER, jobs = JOBS, pauseMs = 0 } = {},
): number[] {
  const directory = temporaryDirectory(scope);
  const log = join(directory, "strace.log");
  const connection = `sqlite:${join(directory, "jobs.db")}?synchronous=${synchronous}`;
  const traced = spawnSync(
    "strace",
    [
      "-f",
      "-o",
      log,
      "-e",
      "trace=fsync,fdatasync,write",
      "-s",
      "60",
      process.execPath,
      program,
      connection,
      "q",
      String(jobs),
      String(pauseMs),
    ],
    { encoding: "utf8", timeout: 60_000 },
  );
  assert.equal(traced.status, 0, traced.stderr);
  const seen: number[] = [];
  let syncs = 0;
  for (const line of readFileSync(log, "utf8").split("\n"))
    if (/f(data)?sync.*= 0$/.test(line)) syncs += 1;
    else if (/write\(1, "(added|ended) /.test(line)) {
      seen.push(syncs);
      syncs = 0;
    }
  return seen;
}

test(
  "at full, each job is synced to disk before it is answered",
  { skip: withoutStrace },
  (scope) => {
    const syncs = syncsBefore(scope, "full");
    assert.equal(syncs.length, JOBS);
    assert.ok(
      syncs.every((count) => count > 0),
      String(syncs),
    );
  },
);

test("at normal, adding does not wait for the disk", { skip: withoutStrace }, (scope) => {
  const syncs = syncsBefore(scope, "normal");
  assert.equal(syncs.length, JOBS);
  // One sync for all commits of a second, and no call waits for it.
  const waited = syncs.slice(1).filter((count) => count > 0);
  assert.ok(waited.length < JOBS / 2, String(syncs));
});

test(
  "at normal, an added job is on disk soon after its answer",
  { skip: withoutStrace },
  (scope) => {
    // The first is there when the file has been made.
    const [, ...syncs] = syncsBefore(scope, "normal", { jobs: 4, pauseMs: 1_500 });
    assert.equal(syncs.length, 3);
    assert.ok(
      syncs.every((count) => count > 0),
      String(syncs),
    );
  },
);

test(
  "at full, the end of a job is synced soon after its answer",
  { skip: withoutStrace },
  (scope) => {
    const syncs = syncsBefore(scope, "full", { program: FINISHER });
    assert.equal(syncs.length, JOBS);
    assert.ok(
      syncs.every((count) => count > 0),
      String(syncs),
    );
  },
);
