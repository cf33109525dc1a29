import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { homeAt } from "../../src/base/home.ts";
import { singleton } from "../../src/singleton/index.ts";
import { listOwners, releaseOwner } from "../../src/singleton/owners.ts";
import { Rate } from "../../src/singleton/rate.ts";
import { eventually, freePort } from "../helpers/resources.ts";
import { runNewel } from "./command-line.ts";
import { Counter, LastingCounter } from "./fixtures/counter.ts";
import { leaving, otherProcess, singletonHome } from "./world.ts";

test("newel owners lists each owner with its load", async (t) => {
  const home = singletonHome(t);
  const secret = "known to both";
  const port = await freePort();
  const byPort = await otherProcess(t, "owner", { name: "far", home, port, secret });
  const bySocket = await otherProcess(t, "owner", { name: "room", key: "7", home });
  const byClaim = await otherProcess(t, "candidate", { name: "lasting", home });
  const room = leaving(t, await singleton(Counter, { name: "room", key: "7", home }));
  for (let calls = 0; calls < 20; calls += 1) await room.increment();
  const owners = await listOwners(homeAt(home));
  assert.deepEqual(
    owners.map(({ id, engine, pid, epoch }) => [id, engine, pid, epoch]),
    [
      ["far", "port", byPort.child.pid, 1],
      ["lasting", "kernel", byClaim.child.pid, 1],
      ["room/7", "socket", bySocket.child.pid, 1],
    ],
  );
  assert.deepEqual(
    owners.map(({ info }) => info && [info.calls, info.connections]),
    [undefined, [0, 0], [20, 1]],
  );
  const table = await runNewel(home, "owners");
  assert.match(table.stdout, /^SINGLETON +PID +EPOCH +SINCE +CALLS\/S +CALLS +CLIENTS +BY\n/);
  assert.match(table.stdout, new RegExp(`\\nroom/7 +${bySocket.child.pid} +1 .* 20 +1 +socket\\n`));
  assert.match(table.stdout, /\nfar .* \? +port\n|\nfar .*\? .*port\n/);
  const json = await runNewel(home, "owners", "room/*", "--json");
  const [shown] = JSON.parse(json.stdout) as [{ id: string; calls: number }];
  assert.deepEqual([shown.id, shown.calls], ["room/7", 20]);
  assert.equal((await runNewel(home, "owners", "nobody")).code, 4);
  assert.equal((await runNewel(home, "owners", "--force")).code, 2);

  byPort.child.kill("SIGKILL");
  await once(byPort.child, "exit");
  const names = (await listOwners(homeAt(home))).map(({ id }) => id);
  assert.deepEqual(names, ["lasting", "room/7"]);
});

test("an owner that is asked to release finishes its calls, and another takes over", async (t) => {
  const home = singletonHome(t);
  for (const engine of ["socket", "kernel"] as const) {
    const { child } = await otherProcess(t, "owner", { name: engine, home, engine });
    const counter = leaving(t, await singleton(Counter, { name: engine, home, engine }));
    const slow = counter.later(200);
    await counter.get();
    const released = await releaseOwner(homeAt(home), engine, false);
    assert.deepEqual(released, { id: engine, pid: child.pid, epoch: 1, how: "asked" });
    assert.equal(await slow, "done");
    assert.equal(await counter.pid(), process.pid);
    assert.equal(counter.epoch, 2);
  }
});

test("release --force revokes the claim of a responsive owner, and kills one that hangs", async (t) => {
  const home = singletonHome(t);
  const serving = await otherProcess(t, "candidate", { name: "serving", home });
  const counter = leaving(t, await singleton(LastingCounter, { name: "serving", home }));
  assert.equal(await counter.increment(), 1);
  assert.equal((await releaseOwner(homeAt(home), "serving", true)).how, "taken");
  await eventually(() => counter.isOwner, "this process owns it");
  assert.equal(await counter.increment(), 2);
  assert.equal(serving.child.exitCode, null);

  const hanging = await otherProcess(t, "candidate", { name: "hanging", home });
  hanging.child.kill("SIGSTOP");
  const ran = await runNewel(home, "owners", "release", "hanging", "--force");
  assert.match(ran.stdout, new RegExp(`^hanging: pid ${hanging.child.pid} was killed`));
  if (hanging.child.signalCode === null) await once(hanging.child, "exit");
  assert.equal(hanging.child.signalCode, "SIGKILL");

  const bySocket = await otherProcess(t, "owner", { name: "socket", home });
  const ended = once(bySocket.child, "exit");
  assert.equal((await releaseOwner(homeAt(home), "socket", true)).how, "killed");
  await ended;
  await assert.rejects(releaseOwner(homeAt(home), "socket", true), {
    code: "NEWEL_E_NO_SINGLETON",
  });
});

test("calls are counted per second", () => {
  let now = 0;
  const rate = new Rate(() => now);
  for (let second = 0; second < 4; second += 1) {
    now = second * 1_000;
    for (let calls = 0; calls < 10; calls += 1) rate.count();
  }
  assert.equal(rate.perSecond, 10);
  now = 60_000;
  assert.equal(rate.perSecond, 0);
  assert.equal(rate.total, 40);
});
