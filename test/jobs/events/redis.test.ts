import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";

import { createRedisBackend } from "bullmq";

import { accepts, startRedis, withoutRedis } from "../../helpers/redis-server.ts";
import {
  eventually,
  freePort,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../../helpers/resources.ts";
import { tryEvents } from "./behaviours.ts";
import { collect, EventsWorld, type Store } from "./world.ts";

const server = withoutRedis === false ? await startRedis({ after }) : undefined;

function redisAt(port: number | undefined): Store {
  return {
    name: "Redis",
    connection: { host: "127.0.0.1", port, maxRetriesPerRequest: null },
    factory: createRedisBackend,
  };
}

tryEvents(() => redisAt(server?.port), { skip: withoutRedis });

test("events continue over a restart of Redis", { skip: withoutRedis }, async (scope) => {
  const port = await freePort();
  const directory = temporaryDirectory(scope);
  const run = (): ReturnType<typeof startProcess> => startDurable(scope, port, directory);
  const first = run();
  await eventually(() => accepts(port), "Redis listens");
  const world = new EventsWorld(scope, redisAt(port));
  const id = await world.add({}, { attempts: 5 });
  const following = collect(world.events().events(id));
  await eventually(() => world.read > 0, "the state is read");
  world.worker(async (job) => {
    for (let done = 1; done <= 40; done += 1) {
      await job.updateProgress({ done, total: 40 });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
  await eventually(async () => ((await world.run(id))?.progress?.done ?? 0) > 10, "it runs");
  first.kill("SIGKILL");
  await once(first, "exit");
  run();
  const events = await following;
  assert.equal(events.at(-1)?.state, "done");
  assert.equal(new Set(events.map((event) => event.id)).size, events.length);
  const shares = events.flatMap(({ progress }) => progress?.done ?? []);
  assert.deepEqual(
    shares,
    shares.toSorted((a, b) => a - b),
  );
});

function startDurable(
  scope: Scope,
  port: number,
  directory: string,
): ReturnType<typeof startProcess> {
  const options = `--port ${port} --bind 127.0.0.1 --save  --appendonly yes --appendfsync always`;
  return startProcess(scope, "redis-server", [...options.split(" "), "--dir", directory]);
}
