import { test } from "node:test";

import { liveThrough } from "../load/many-services.ts";

test("60 services live through verbs, killed daemons and a reboot, and leave no process", async (t) => {
  await liveThrough(t, 60);
});
