import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ENGINES, flawsOf, FORMS, Racers } from "./racers.ts";

/** `npm run soak -- singleton-race` runs 20 racers, 200 rounds. */
const RACERS = 8;

for (const form of FORMS)
  describe(`${RACERS} ${form} that ask at one instant`, () => {
    let racers: Racers;
    let end: (() => void | Promise<void>) | undefined;
    before(async () => {
      racers = await Racers.start({ after: (cleanUp) => void (end = cleanUp) }, form, RACERS);
    });
    after(() => end?.());
    for (const engine of ENGINES)
      test(`make one instance, and no caller fails: ${engine}`, async () => {
        for (const constructorMs of [0, 0, 500]) {
          const result = await racers.race(engine, constructorMs);
          assert.deepEqual(flawsOf(result, RACERS), [], `${constructorMs} ms`);
        }
      });
  });

test("a constructor that takes 2 s and a lock runs once, while all others wait", async (t) => {
  const racers = await Racers.start(t, "processes", RACERS);
  for (const engine of ["socket", "kernel"] as const)
    assert.deepEqual(flawsOf(await racers.race(engine, 2_000, true), RACERS), [], engine);
});
