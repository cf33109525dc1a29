/** A BullMQ worker in a separate process: `bullmq-worker.ts STORE QUEUE sandboxed|bare`. */
import { fileURLToPath } from "node:url";

import { Worker } from "bullmq";

import { bullStore } from "./bull-store.ts";

const [store = "", queue = "", how] = process.argv.slice(2);
const { factory, connection } = await bullStore(store);
const processor = new URL("processor.mjs", import.meta.url);
const handler =
  how === "sandboxed"
    ? fileURLToPath(processor)
    : ((await import(processor.href)) as { default: () => Promise<unknown> }).default;
const worker = new Worker(
  queue,
  handler,
  { connection, concurrency: 2 } as never,
  factory as never,
);
worker.on("error", (error) => console.error(error));
process.on("SIGTERM", () => void worker.close().then(() => process.exit(0)));
await worker.waitUntilReady();
process.stdout.write("ready\n");
