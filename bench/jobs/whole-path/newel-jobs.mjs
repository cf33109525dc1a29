// The job that newel's job server runs in the bench of the whole path.
import { appendFileSync } from "node:fs";

import { job } from "../../../dist/jobs/index.js";
import { now } from "./work.mjs";

export const noop = job("noop", {}, async () => now());

export const progress = job("progress", {}, async (_input, ctx) => {
  await ctx.progress(1, 2, String(now()));
});

/** Notes when it began, by which process, and when it was told to end. */
export const held = job("held", { retries: 1 }, async ({ notes }, ctx) => {
  appendFileSync(notes, `${now()} began ${process.pid}\n`);
  if (ctx.attempt > 1) return;
  const timer = setInterval(() => undefined, 1_000);
  await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
  clearInterval(timer);
  appendFileSync(notes, `${now()} told ${process.pid}\n`);
});
