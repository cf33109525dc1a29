// A web server whose processes all hand their work to one worker, which does it one after the other.
//
//     node examples/sequential-worker/cluster.ts          four workers of node:cluster
//     npx newel run -c examples/sequential-worker/newel.config.ts     four replicas under newel
//
//     curl localhost:5000/work-for/1000; curl localhost:5000/work-for/500
//
// (In a project of your own the import is from "newel/singleton".)
import Fastify from "fastify";

import { singleton } from "../../src/singleton/index.ts";
import { Worker } from "./worker.ts";

const worker = await singleton(Worker, { name: "sequential-worker" });
const app = Fastify();

app.get<{ Params: { ms: string } }>("/work-for/:ms", async ({ params }) => {
  await worker.putTask(Number(params.ms), "Work done!");
  return { handedOverBy: process.pid, to: await worker.getPid() };
});

app.get("/done", async () => ({ done: await worker.getDone() }));

await app.listen({ host: "127.0.0.1", port: Number(process.env["PORT"] ?? 5_000) });

// Under newel the app is drained by then. The work in hand is finished, then another process owns.
process.once("SIGTERM", () => {
  void app
    .close()
    .then(() => worker.leave())
    .then(() => process.exit());
});
