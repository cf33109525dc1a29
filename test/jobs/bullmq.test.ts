import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as bullmq from "bullmq";

import { bullmqProblem, NEWEST_BULLMQ, requireBullmq } from "../../src/jobs/bullmq.ts";
import { refuse } from "../../src/jobs/sqlite/refusals.ts";

interface Manifest {
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

const members = bullmq as unknown as Record<string, unknown>;

test("the installed BullMQ is accepted, and it is the newest that the package names", async () => {
  await requireBullmq();
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { devDependencies, peerDependencies } = JSON.parse(text) as Manifest;
  assert.equal(devDependencies["bullmq"], NEWEST_BULLMQ);
  const range = peerDependencies["bullmq"]?.split(" || ") ?? [];
  for (const each of range) {
    assert.match(each, /^~\d+\.\d+\.0$/);
    assert.equal(bullmqProblem(each.slice(1), members), undefined);
  }
  assert.ok(range.includes(`~${NEWEST_BULLMQ.replace(/\d+$/, "0")}`));
});

test("a version that no test has run with is refused, and so is one without a member that is used", () => {
  for (const version of ["6.8.0", "5.60.0", "7.0.0", "6.70.0", "6.7.1-beta.1"])
    assert.match(
      bullmqProblem(version, members) ?? "",
      new RegExp(`version ${version} is installed`),
    );
  const { Queue: _, ...withoutQueue } = members;
  assert.equal(
    bullmqProblem("6.7.0", withoutQueue),
    "version 6.7.0 has no Queue, Queue.getBackend",
  );
  const changed = { ...members, Worker: Map };
  assert.match(bullmqProblem("6.7.0", changed) ?? "", /has no .*Worker\.moveToActive/);
});

test("the store's refusals are the errors of BullMQ", () => {
  const contexts = [{ jobId: "7", parentKey: "bull:parents:3", state: "active" }, { jobId: "8" }];
  for (let code = -12; code < 0; code += 1)
    for (const context of contexts) {
      const theirs = bullmq.RedisQueueBackend.prototype.finishedErrors({
        ...context,
        code,
        command: "moveToFinished",
      }) as Error & { readonly code: number };
      assert.throws(() => refuse(code, "moveToFinished", context), {
        name: theirs.name,
        message: theirs.message,
        code: theirs.code,
      });
    }
});
