import assert from "node:assert/strict";
import { test } from "node:test";

import { NOBODY, runAsNobody, withoutRoot } from "../helpers/as-nobody.ts";

const PROGRAM = "test/fixtures/programs/untakable-sockets.ts";

test(
  "sockets that may not be taken from their holders: no request fails, and the next process gets a second socket",
  { skip: withoutRoot },
  (t) => {
    const seen = JSON.parse(runAsNobody(t, PROGRAM, ["alone"]));
    assert.equal(seen.uid, NOBODY);
    assert.deepEqual(seen.before, { after: "nothing", sockets: {}, level: "bound" });
    assert.deepEqual(seen.after, { after: "end", sockets: { web: "waiting" }, level: "bound" });
    assert.equal(seen.waiting, null, "no second socket takes connections that nobody accepts");
    assert.ok(seen.requests > 50, `${seen.requests} requests`);
    assert.equal(seen.failedCount, 0);
    assert.deepEqual(seen.both, ["first", "second"]);
    assert.equal(seen.left, "second");
    assert.equal(seen.reopened, true);
    assert.equal(seen.third, "third");
  },
);

test(
  "sockets that may not be taken from their holders come back from the supervisor",
  { skip: withoutRoot },
  (t) => {
    const seen = JSON.parse(runAsNobody(t, PROGRAM, ["supervised"]));
    assert.equal(seen.uid, NOBODY);
    assert.equal(seen.ok, true);
    assert.equal(seen.before.level, "held");
    assert.equal(seen.after, "passed");
    assert.equal(seen.same, true, "the same processes serve");
    assert.equal(seen.reloaded, true);
    assert.equal(seen.level, "held");
    assert.ok(seen.requests > 50, `${seen.requests} requests`);
    assert.equal(seen.failedCount, 0);
  },
);
