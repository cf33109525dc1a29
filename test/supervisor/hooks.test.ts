import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { eventually, freePort } from "../helpers/resources.ts";
import { fixtureApp, SupervisedApp } from "../helpers/supervised.ts";

const note = (word: string): string => `echo ${word} $NEWEL_PROCESS >> order`;

test("hooks run in their order in a reload; a failed one fails the start with its last lines", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  const config = (hooks: Record<string, string>): { services: Record<string, unknown> } => ({
    services: {
      web: {
        node: fixtureApp("http"),
        cwd: app.directory,
        env: { PORT: port },
        listen: port,
        ready: { stable: "0ms" },
        hooks: { afterReady: note("ready"), beforeStop: note("stop"), ...hooks },
      },
    },
  });
  const order = (): string[] =>
    readFileSync(join(app.directory, "order"), "utf8").trim().split("\n");
  const up = await app.up(config({ beforeStart: note("start") }));
  assert.ok(up.ok, JSON.stringify(up.failed));
  assert.ok((await app.verb("reload", "web")).ok);
  assert.deepEqual(order(), [
    "start web.1",
    "ready web.1",
    "start web.2",
    "ready web.2",
    "stop web.1",
  ]);
  const serving = await app.pids("web");

  // Another hook needs no new process.
  const failing = "echo one; echo two >&2; exit 3";
  assert.ok((await app.up(config({ beforeStart: failing }))).ok);
  assert.deepEqual(await app.pids("web"), serving);
  const failed = await app.verb("reload", "web");
  assert.equal(failed.ok, false);
  assert.match(
    JSON.stringify(failed.failed),
    /hook beforeStart ended with exit code 3: one \/ two/,
  );
  assert.deepEqual(await app.pids("web"), serving);
  assert.equal(order().length, 5);

  assert.ok((await app.up(config({ beforeStart: "exec sleep 1000", timeout: "200ms" }))).ok);
  const late = await app.verb("reload", "web");
  assert.match(JSON.stringify(late.failed), /hook beforeStart did not end within 200 ms/);

  // A stop ends the hook of a start that is under way.
  const begun = join(app.directory, "begun");
  assert.ok((await app.verb("stop", "web")).ok);
  assert.equal(order().at(-1), "stop web.2");
  const long = config({ beforeStart: "touch begun; exec sleep 1000", timeout: "20m" });
  const starting = app.up(long);
  await eventually(() => existsSync(begun), "the hook runs", 60_000);
  assert.ok((await app.verb("stop", "web")).ok);
  assert.equal((await starting).ok, false);
  assert.deepEqual(await app.running(), []);
});
