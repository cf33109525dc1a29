import { after } from "node:test";

import { Redis } from "ioredis";

import { startRedis, withoutRedis } from "../../helpers/redis-server.ts";
import { tryServer } from "./behaviours.ts";

const server = withoutRedis === false ? await startRedis({ after }) : undefined;

tryServer({
  skip: withoutRedis,
  async fresh() {
    const url = `redis://127.0.0.1:${server?.port}`;
    const client = new Redis(url);
    await client.flushall();
    await client.quit();
    return url;
  },
});
