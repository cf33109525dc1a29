import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { Readable } from "node:stream";
import { test } from "node:test";

import { singleton } from "../../src/singleton/index.ts";
import { homeAt } from "../../src/base/home.ts";
import { abstractName } from "../../src/singleton/engines/address.ts";
import { identify } from "../../src/singleton/identity.ts";
import { NOBODY, runAsNobody, withoutRoot } from "../helpers/as-nobody.ts";
import { cleanUp, freePort, startProcess } from "../helpers/resources.ts";
import { Counter } from "./fixtures/counter.ts";
import { leaving, otherProcess, singletonHome } from "./world.ts";

const SECRET = "only these processes know it";

test("with a secret the owner at a port is reached, and followed by the next", async (t) => {
  const home = singletonHome(t);
  const options = { name: "counter", home, port: await freePort(), secret: SECRET };
  const { child, said } = await otherProcess(t, "owner", options);
  assert.deepEqual(said, { isOwner: true, createdNewInstance: true, epoch: 1 });
  const counter = leaving(t, await singleton(Counter, options));
  assert.equal(await counter.increment(), 1);
  const hanging = counter.hang();
  child.kill("SIGKILL");
  await assert.rejects(hanging, { code: "NEWEL_E_OWNER_LOST" });
  assert.equal(await counter.increment(), 1);
  assert.deepEqual([counter.isOwner, counter.epoch], [true, 2]);
});

test("without the secret, with another one, or with none on the other side: refused", async (t) => {
  const home = singletonHome(t);
  const port = await freePort();
  const plainPort = await freePort();
  await otherProcess(t, "owner", { name: "counter", home, port, secret: SECRET });
  await otherProcess(t, "owner", { name: "plain", home, port: plainPort });
  const refused = async (options: { name: string; port: number; secret?: string }) => {
    await assert.rejects(singleton(Counter, { ...options, home: singletonHome(t) }), {
      code: "NEWEL_E_SECRET",
    });
  };
  await refused({ name: "counter", port, secret: "a guess" });
  await refused({ name: "counter", port });
  await refused({ name: "plain", port: plainPort, secret: SECRET });
  // Plain bytes at the TLS port end with an error, and the owner continues.
  const stranger = connect(port, "127.0.0.1");
  stranger.on("error", () => undefined);
  stranger.write("GET / HTTP/1.1\r\n\r\n");
  stranger.resume();
  await once(stranger, "close");
  const counter = leaving(
    t,
    await singleton(Counter, { name: "counter", home, port, secret: SECRET }),
  );
  assert.equal(await counter.increment(), 1);
});

test("the error names another version of the methods", async (t) => {
  const home = singletonHome(t);
  await otherProcess(t, "owner", { name: "counter", home, version: 1 });
  await assert.rejects(singleton(Counter, { name: "counter", home, version: 2 }), {
    code: "NEWEL_E_VERSION_SKEW",
    message: /singleton\/counter\/1.*singleton\/counter\/2/,
  });
});

test("the wait for a port whose server stays silent ends at the time limit", async (t) => {
  const home = singletonHome(t);
  const silent = createServer((socket) => socket.on("error", () => undefined)).listen(
    0,
    "127.0.0.1",
  );
  cleanUp(t, () => void silent.close());
  await once(silent, "listening");
  const { port } = silent.address() as { port: number };
  silent.on("connection", (socket) => cleanUp(t, () => void socket.destroy()));
  await assert.rejects(singleton(Counter, { name: "counter", home, port, timeoutMs: 200 }), {
    code: /NEWEL_E_(NO_OWNER|UNREACHABLE)/,
  });
});

test(
  "another user is refused at a port without a secret and at a name",
  { skip: withoutRoot },
  async (t) => {
    const home = singletonHome(t);
    const port = await freePort();
    await otherProcess(t, "owner", { name: "ported", home, port });
    await otherProcess(t, "owner", { name: "named", home });
    const ported = leaving(t, await singleton(Counter, { name: "ported", home, port }));
    const name = abstractName(identify({ name: "named" }, homeAt(home)));
    const said = runAsNobody(t, "test/singleton/fixtures/stranger.ts", [String(port), name]);
    assert.equal(said, "refused\nrefused\n");
    assert.equal(await ported.increment(), 1);
  },
);

test("a name that another user has taken is not trusted", { skip: withoutRoot }, async (t) => {
  const home = singletonHome(t);
  const name = abstractName(identify({ name: "taken" }, homeAt(home)));
  const squatter = startProcess(
    t,
    process.execPath,
    [
      "-e",
      `require("node:net").createServer(() => {}).listen(${JSON.stringify(`\0${name}`)}, () => console.log("has it"))`,
    ],
    { uid: NOBODY, gid: NOBODY, cwd: "/" },
  );
  await once(squatter.stdout as Readable, "data");
  await assert.rejects(singleton(Counter, { name: "taken", home }), {
    code: "NEWEL_E_REFUSED_UID",
  });
});
