import { after, before } from "node:test";

import { createRedisBackend } from "bullmq";

import { startRedis, withoutRedis } from "../../helpers/redis-server.ts";
import { tryBehaviours } from "./behaviours.ts";

let port = 0;
before(async () => {
  if (withoutRedis === false) ({ port } = await startRedis({ after }));
});

tryBehaviours(
  () => ({
    name: "Redis",
    connection: { host: "127.0.0.1", port },
    factory: createRedisBackend as never,
  }),
  { skip: withoutRedis },
);
