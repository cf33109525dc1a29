import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { ENGINES, flawsOf, FORMS, Racers } from "./racers.ts";

/** `npm run soak -- singleton-race` runs 20 racers, 200 rounds. */
const RACERS = 8;

for (const form of FORMS)
  describe(`${RACERS} ${form} that ask at one instant`, () => {
    test("make one instance, and nobody fails", async (t) => {
      const racers = await Racers.start(t, form, RACERS);
      for (const engine of ENGINES) {
        for (const constructorMs of [0, 0, 500]) {
          const result = await racers.race(engine, constructorMs);
          assert.deepEqual(flawsOf(result, RACERS), [], `${engine}, ${constructorMs} ms`);
        }
      }
    });
  });

test("a constructor that takes 2 s and a lock runs once, while all others wait", async (t) => {
  const racers = await Racers.start(t, "processes", RACERS);
  for (const engine of ["socket", "kernel"] as const)
    assert.deepEqual(flawsOf(await racers.race(engine, 2_000, true), RACERS), [], engine);
});
