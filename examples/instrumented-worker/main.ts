// A pool whose workers can be seen: `node examples/instrumented-worker/main.ts [STATSD_PORT]`.
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

import { Pool } from "../../src/pool/index.ts";
import type * as InstrumentedWorker from "./worker.ts";

const port = Number(process.argv[2] ?? 8125);

await using pool = new Pool<typeof InstrumentedWorker>({
  worker: new URL("./worker.ts", import.meta.url),
  size: 2,
  data: { statsd: { host: "127.0.0.1", port }, reportMs: 100 },
});
pool.on("workerEnd", ({ worker, how }) => console.log(`worker ${worker} ended: ${how}`));

await pool.start();
for (const message of ["one", "two"]) console.log(await pool.run(message));
await pool.run("bad").catch((error: unknown) => console.log(`rejected: ${String(error)}`));
await sleep(500);
