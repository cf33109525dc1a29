import assert from "node:assert/strict";
import { connect } from "node:net";
import { once } from "node:events";
import { test } from "node:test";

import { hasCode } from "../../src/base/errors.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import { cleanUp } from "../helpers/resources.ts";
import { startDaemon } from "./client/daemon.ts";

const UPGRADES = 4;

test("during an upgrade a new client waits, and is served by the new image", async (t) => {
  const { home, child } = await startDaemon(t, { port: 0 });
  const kernel = await connectKernel({ home, autostart: false });
  cleanUp(t, () => kernel.close());
  const done = new AbortController();
  let greeted = 0;
  const callers = Array.from({ length: 3 }, async () => {
    while (!done.signal.aborted) {
      const socket = connect(home.kernelSocket);
      const ended = once(socket, "close");
      await once(socket, "connect");
      socket.end();
      socket.resume();
      await ended;
      greeted += 1;
    }
  });
  for (let count = 0; count < UPGRADES; count += 1) {
    await kernel.upgrade();
    assert.equal((await kernel.status()).pid, child.pid);
  }
  done.abort();
  await Promise.all(callers);
  assert.ok(greeted > UPGRADES, `${greeted} connections`);
});

test("requests during an upgrade do not break it", async (t) => {
  const { home, child } = await startDaemon(t);
  const kernel = await connectKernel({ home, autostart: false });
  cleanUp(t, () => kernel.close());
  const done = new AbortController();
  // Opens and closes descriptors of the kernel all the time.
  const changers = Array.from({ length: 4 }, async (_, number) => {
    const name = `changing.${number}`;
    const client = await connectKernel({ home, autostart: false });
    while (!done.signal.aborted) {
      try {
        await client.sockets.make({ name, family: "inet", host: "127.0.0.1", port: 0 });
        await client.sockets.remove(name);
      } catch (error) {
        // A request that was cut off is not repeated automatically: it may have been carried out.
        const known = ["NEWEL_E_CONNECTION_LOST", "NEWEL_E_EXISTS", "NEWEL_E_NOT_FOUND"] as const;
        assert.ok(
          known.some((code) => hasCode(error, code)),
          String(error),
        );
        await client.sockets.remove(name).catch(() => undefined);
      }
    }
    await client.close();
  });
  const upgrades = async (): Promise<void> => {
    for (let count = 0; count < UPGRADES; count += 1) await kernel.upgrade();
  };
  await upgrades().finally(() => done.abort());
  await Promise.all(changers);
  assert.equal((await kernel.status()).pid, child.pid);
  assert.equal(child.exitCode, null);
});

test("a second upgrade at the same time is refused", async (t) => {
  const { home } = await startDaemon(t);
  const [one, two] = await Promise.all([
    connectKernel({ home, autostart: false }),
    connectKernel({ home, autostart: false }),
  ]);
  cleanUp(t, async () => void (await Promise.all([one.close(), two.close()])));
  const results = await Promise.allSettled([one.upgrade(), two.upgrade()]);
  const refused = results.filter(
    (result) => result.status === "rejected" && hasCode(result.reason, "NEWEL_E_UPGRADE_REFUSED"),
  );
  assert.deepEqual(results.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
  assert.equal(refused.length, 1);
});
