// The processor that BullMQ runs in the bench of the whole path: in the process of its worker, or sandboxed in separate processes.
import { now } from "./work.mjs";

export default async function process(job) {
  if (job.name !== "progress") return now();
  await job.updateProgress({ done: 1, total: 2, note: String(now()) });
}
