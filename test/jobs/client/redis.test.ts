import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Redis } from "ioredis";

import { startRedis, withoutRedis } from "../../helpers/redis-server.ts";
import { eventually, startProcess } from "../../helpers/resources.ts";
import { sendSignal } from "../../helpers/signals.ts";
import { tryJobs } from "./behaviours.ts";
import { plain } from "./definitions.ts";
import { openJobs } from "./world.ts";

const server = withoutRedis === false ? await startRedis({ after }) : undefined;

tryJobs({
  skip: withoutRedis,
  async fresh() {
    const url = `redis://127.0.0.1:${server?.port}`;
    const client = new Redis(url);
    await client.flushall();
    await client.quit();
    return url;
  },
});

test(
  "calls fail soon when the server is gone, and work again when it is back",
  { skip: withoutRedis },
  async (t) => {
    const { port, pid } = await startRedis(t);
    const jobs = await openJobs(t, { skip: false, fresh: async () => `redis://127.0.0.1:${port}` });
    await jobs.enqueue(plain, 1);
    sendSignal(pid, "SIGKILL");
    for (let number = 0; number < 3; number += 1) {
      const began = performance.now();
      await assert.rejects(jobs.enqueue(plain, 1), { code: "NEWEL_E_JOBS_UNREACHABLE" });
      await assert.rejects(jobs.list(), { code: "NEWEL_E_JOBS_UNREACHABLE" });
      assert.ok(performance.now() - began < 10_000);
    }
    startProcess(t, "redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", ""]);
    await eventually(() => jobs.enqueue(plain, 2).catch(() => undefined), "it works again");
  },
);
