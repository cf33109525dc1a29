import assert from "node:assert/strict";
import { test } from "node:test";

import { temporaryDirectory } from "../helpers/resources.ts";
import { runProgram } from "./programs.ts";

const PROGRAMS = 50;
const AT_ONCE = 4;

test(`${PROGRAMS} random programs: each task settles as documented`, async (t) => {
  const directory = temporaryDirectory(t);
  const seeds = Array.from({ length: PROGRAMS }, (_, seed) => seed + 1);
  const broken: string[] = [];
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift())
        broken.push(...(await runProgram(seed, directory)));
    }),
  );
  assert.deepEqual(broken, []);
});
