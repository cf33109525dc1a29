// The same server as four workers of node:cluster.
import cluster from "node:cluster";

const WORKERS = 4;

if (cluster.isPrimary) {
  for (let count = 0; count < WORKERS; count += 1) cluster.fork();
  process.once("SIGTERM", () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill("SIGTERM");
  });
} else {
  await import("./server.ts");
}
