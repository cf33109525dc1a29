// The job of newel's side: it prints the time of each report.
import { setTimeout as sleep } from "node:timers/promises";

import type * as Jobs from "../../src/jobs/index.ts";
import { fromDist } from "../prepare.ts";
import { APART_MS, now, TOLD } from "./clock.ts";

const { job } = await fromDist<typeof Jobs>("jobs/index");

export const tick = job("tick", {}, async (_input, ctx) => {
  for (let done = 1; done <= TOLD; done += 1) {
    await sleep(APART_MS);
    void ctx.progress(done, TOLD, String(now()));
  }
});
