import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { defineContract, type Contract } from "../../src/wire/contract.ts";
import { connectUnix, serveUnix } from "../../src/wire/unix.ts";
import { temporaryDirectory } from "../helpers/resources.ts";

interface Echo {
  echo(value: unknown): Promise<unknown>;
}

const contract: Contract<Echo> = defineContract<Echo>()({
  name: "echo",
  version: 1,
  calls: ["echo"],
  streams: [],
});

/**
 * Around every size at which a body takes another path: into the slab, a new slab, outside the
 * slab.
 */
const SIZES = [
  0, 1, 1_300, 1_365, 1_366, 4_000, 4_096, 5_000, 16_383, 16_384, 16_385, 21_800, 21_850, 65_536,
  200_000,
];

test("bodies of every size come back whole, text and bytes, one at a time and many at once", async (t) => {
  const path = join(temporaryDirectory(t), "echo.sock");
  await using server = await serveUnix(path, contract, { echo: async (value) => value });
  await using connection = await connectUnix(path, contract);
  const { remote } = connection;
  for (const size of SIZES) {
    assert.equal(await remote.echo("x".repeat(size)), "x".repeat(size), `text of ${size}`);
    assert.equal(
      await remote.echo("ä€".repeat(size)),
      "ä€".repeat(size),
      `multi-byte text of ${size}`,
    );
    const bytes = Buffer.alloc(size, "y");
    assert.deepEqual(await remote.echo({ bytes }), { bytes }, `bytes of ${size}`);
  }
  const texts = SIZES.flatMap((size) => [`a${"x".repeat(size)}`, `ß${"z".repeat(size)}`]);
  assert.deepEqual(await Promise.all(texts.map((text) => remote.echo(text))), texts);
  assert.equal(server.connections, 1);
});
