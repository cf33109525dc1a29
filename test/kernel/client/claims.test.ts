import assert from "node:assert/strict";
import { test } from "node:test";

import { Claims } from "../../../src/kernel/client/claims.ts";
import { Link } from "../../../src/kernel/client/link.ts";
import { eventually } from "../../helpers/resources.ts";
import { fileScope, serveTestKernel, Wire } from "../session/wire.ts";

const scope = fileScope();

test("a claim that another client got while the connection was lost is reported as lost at once", async () => {
  const { kernel, home } = await serveTestKernel(scope);
  const target = { address: { path: home.kernelSocket }, startIn: undefined, timeoutMs: 1_000 };
  const away = Promise.withResolvers<void>();
  const claims: Claims = new Claims(() => link);
  const link: Link = new Link(target, () => away.resolve());
  scope.after(() => link.close());
  const held = await claims.ask("lock");
  const other = await Wire.open(scope, { path: home.kernelSocket });
  other.send("claim lock\n");
  await eventually(() => kernel.claims.list()[0]?.waiting === 1, "the wait");

  // The kernel closes only this client's connection.
  await link.call({ do: "quit" }, false);
  await away.promise;
  await eventually(() => kernel.claims.list()[0]?.epoch === 2, "the other to have it");
  claims.reclaim();
  await eventually(() => held.signal.aborted, "the loss to be known");
  await held.release();
  await eventually(() => kernel.claims.list()[0]?.waiting === 0, "the wait to be given up");
  assert.equal(kernel.claims.list()[0]?.epoch, 2);
});
