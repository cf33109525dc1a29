// A job server under a wall clock that is set: leases and limits do not follow it.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { eventually } from "../../helpers/resources.ts";
import { WallClock, withoutFaketime } from "../../helpers/wall-clock.ts";
import { ended, makeWorld, startShortServer } from "./world.ts";

const LOCK_MS = 2_000;

for (const step of [3_600, -3_600])
  test(
    `an attempt keeps its lease when the wall clock of its server steps by ${step} s`,
    { skip: withoutFaketime },
    async (scope) => {
      const world = makeWorld(scope);
      const queue = world.queue("default");
      const clock = new WallClock(join(world.directory, "clock"));
      await startShortServer(scope, world, LOCK_MS, clock.env);
      const begun = (): string[] => world.notes().filter((line) => line.startsWith("begin"));
      const added = await queue.add("insistent", {}, { attempts: 1 });
      await eventually(() => begun().length === 1, "the run has begun", 60_000);
      clock.step(step);
      // This server has no stepped clock, and would take the run if its lease ended.
      await world.serve({ lockMs: LOCK_MS, processes: 1 });
      const job = await ended(queue, added, 60_000);
      assert.equal(String(job.returnvalue), begun()[0]?.split(" ")[1]);
      assert.equal(job.attemptsStarted, 1);
      assert.deepEqual(
        world.notes().map((line) => line.split(" ")[0]),
        ["begin"],
      );
    },
  );
