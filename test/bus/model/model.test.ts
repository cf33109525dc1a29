// Random programs against the rules of docs/guide/bus.md. `npm run soak -- bus-programs` runs more of them.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { temporaryDirectory } from "../../helpers/resources.ts";
import { findBroken } from "./seeds.ts";
import { brokenBus, soundBus, VARIANTS } from "./variants.ts";

const SEEDS = 1_500;
const SEEDS_TO_FIND = 6_000;

test(`no rule of the bus is broken by ${SEEDS} random programs`, async () => {
  const found = await findBroken(await soundBus(), 1, SEEDS);
  assert.equal(found, undefined, JSON.stringify(found, undefined, 2));
});

for (const variant of VARIANTS) {
  test(`the rules find that ${variant.name}`, async (t) => {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
    const found = await findBroken(await brokenBus(variant, directory), 1, SEEDS_TO_FIND);
    assert.ok(found !== undefined, `not found in ${SEEDS_TO_FIND} programs`);
    t.diagnostic(`seed ${found.seed}: ${found.broken[0]}`);
  });
}
