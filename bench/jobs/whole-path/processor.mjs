// What BullMQ runs in the bench of the whole path: in its worker's process, or sandboxed in processes of its own.
import { now } from "./work.mjs";

export default async function process(job) {
  if (job.name !== "progress") return now();
  await job.updateProgress({ done: 1, total: 2, note: String(now()) });
}
