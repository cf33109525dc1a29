import { after } from "node:test";

import { createRedisBackend } from "bullmq";

import { startRedis, withoutRedis } from "../../helpers/redis-server.ts";
import { tryEvents } from "./behaviours.ts";

const server = withoutRedis === false ? await startRedis({ after }) : undefined;

tryEvents(
  () => ({
    name: "Redis",
    connection: { host: "127.0.0.1", port: server?.port },
    factory: createRedisBackend,
  }),
  { skip: withoutRedis },
);
