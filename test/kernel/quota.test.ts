import assert from "node:assert/strict";
import { test } from "node:test";

import { nobodysDirectory, NOBODY, runAsNobody, withoutRoot } from "../helpers/as-nobody.ts";

test(
  "100 services start and are captured for a user with a pipe quota",
  { skip: withoutRoot },
  (t) => {
    const printed = runAsNobody(t, "test/fixtures/programs/hundred-services.ts", [
      nobodysDirectory(t),
    ]);
    const { uid, kept }: { uid: number; kept: unknown[] } = JSON.parse(printed);
    assert.equal(uid, NOBODY);
    assert.deepEqual(
      kept,
      Array.from({ length: 100 }, () => [200_000, 200_000]),
    );
  },
);
