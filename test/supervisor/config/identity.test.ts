import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";

import { load, loadError, makeApp, serviceOf } from "./app.ts";

/** The hard limit of open files of this test. */
const HARD_NOFILE = /^Max open files +\S+ +(\S+)/m.exec(
  readFileSync("/proc/self/limits", "latin1"),
)?.[1];

const runAs = (t: TestContext, uid: number): void =>
  void t.mock.method(process as { getuid: () => number }, "getuid", () => uid);

const file = (services: object, more: object = {}): Record<string, string> => ({
  "newel.config.json": JSON.stringify({ ...more, services }),
});

test("user, group, limits and nice are resolved to numbers, and a change of each is a change of the service", async (t) => {
  const plain = { run: "x" };
  const limits = { nofile: 1024, core: 0, as: "unlimited", fsize: "1GiB", cpu: "90s" };
  runAs(t, 0);
  const services = {
    plain,
    user: { ...plain, user: "daemon" },
    number: { ...plain, user: 54_321, group: "0" },
    group: { ...plain, group: "daemon" },
    limits: { ...plain, limits },
    nice: { ...plain, nice: -3 },
  };
  const config = await load(makeApp(t, file(services)));
  const { uid, gid, variables } = serviceOf(config, "user").identity ?? {};
  assert.deepEqual(
    [uid, gid, variables?.["USER"], variables?.["LOGNAME"]],
    [1, 1, "daemon", "daemon"],
  );
  assert.deepEqual(serviceOf(config, "number").identity, { uid: 54_321, gid: 0, variables: {} });
  assert.deepEqual(serviceOf(config, "group").identity, { gid: 1, variables: {} });
  assert.deepEqual(serviceOf(config, "limits").limits, { ...limits, fsize: 2 ** 30, cpu: 90 });
  assert.equal(new Set(config.services.map(({ hash }) => hash)).size, config.services.length);
});

test("wrong users and limits are named, and so are rights that only root has", async (t) => {
  runAs(t, 1000);
  const services = {
    a: { run: "x", user: "demon", group: "no-such-group", nice: -1 },
    b: {
      run: "x",
      user: "daemon",
      group: 1,
      limits: { nofile: 2_000_000_000, memory: "1GB", core: "big" },
    },
    c: { run: "x", user: 1000, nice: 20, limits: { cpu: "10ms", nproc: -1 } },
  };
  const sockets = { s: { path: "s", user: "daemon" }, t: { port: 3000, group: "daemon" } };
  const { message } = await loadError(makeApp(t, file(services, { sockets })));
  assert.deepEqual(
    message.split("\n").map((line) => line.replace("newel.config.json:1  ", "")),
    [
      'sockets.s.user is "daemon"; only root may start a process as another user: run newel as root, or leave it out.',
      'sockets.t.group is for a socket with "path".',
      'services.a.user is "demon"; /etc/passwd has no such user. Did you mean "daemon"?',
      'services.a.group is "no-such-group"; /etc/group has no such group.',
      "services.a.nice is -1; only root may raise a priority: run newel as root, or take 0 to 19.",
      'services.b.user is "daemon"; only root may start a process as another user: run newel as root, or leave it out.',
      "services.b.group is 1; only root may start a process as another group: run newel as root, or leave it out.",
      `services.b.limits.nofile is 2000000000, but the hard limit of this user is ${HARD_NOFILE}: take less, raise that limit, or run newel as root.`,
      'services.b.limits.memory is not a setting here. The address space is "as", as prlimit(1) has it.',
      'services.b.limits.core is "big"; must be a size such as "512MB", 0, or "unlimited".',
      "services.c.nice is 20; must be a whole number from -20 to 19.",
      'services.c.limits.cpu is "10ms"; must be a duration of at least "1s", or "unlimited".',
      'services.c.limits.nproc is -1; must be a whole number, or "unlimited".',
    ],
  );
});
