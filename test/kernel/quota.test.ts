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

test(
  "a kernel without root refuses to start a process as another user, with the reason",
  { skip: withoutRoot },
  (t) => {
    const directory = nobodysDirectory(t);
    const printed = runAsNobody(t, "test/fixtures/programs/become-root.ts", [directory]);
    const refusal = (who: string): string =>
      `NEWEL_E_NOT_ROOT: A process cannot be started as ${who}: newel's kernel runs as uid ${NOBODY}.`;
    assert.deepEqual(JSON.parse(printed), {
      said: [refusal("uid 0"), refusal("uid 0"), refusal("gid 0"), "p"],
      made: 1,
    });
  },
);
