// A site with both streams: `site.ts STORE`. It prints its address.
import { randomUUID } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";

import { createRedisBackend, Queue, QueueEvents } from "bullmq";

import type * as Jobs from "../../src/jobs/index.ts";
import type * as SqliteJobs from "../../src/jobs/sqlite/index.ts";
import { fromDist } from "../prepare.ts";
import { TOLD } from "./clock.ts";
import { tick } from "./work.ts";

const [store = ""] = process.argv.slice(2);
const { jobs } = await fromDist<typeof Jobs>("jobs/index");
const { createSqliteBackend } = await fromDist<typeof SqliteJobs>("jobs/sqlite/index");
jobs.use({ store });

const isRedis = store.startsWith("redis:");
const factory = (isRedis ? createRedisBackend : createSqliteBackend) as never;
const connection = isRedis ? { url: store, maxRetriesPerRequest: null } : store;
const queue = new Queue("bare", { connection } as never, factory);
const events = new QueueEvents("bare", { connection } as never, factory);
await events.waitUntilReady();

const server = createServer((request, response) => {
  const [, side, id = ""] = (request.url ?? "").split("/");
  if (side === "newel" && id === "new") void tick.enqueue({}, { by: "me" }).then(answer(response));
  else if (side === "newel") void jobs.pipeSse(id, request, response, { by: "me" });
  else if (side === "bare" && id === "new")
    void queue.add("tick", {}, { jobId: randomUUID() }).then(answer(response));
  else if (side === "bare") streamBare(id, response);
  else response.setHeader("content-type", "text/html").end("<!doctype html><title>bench</title>");
});

function answer(response: ServerResponse): (run: { id?: string }) => void {
  return ({ id }) => response.end(id);
}

/** The usual code, written by hand. */
function streamBare(id: string, response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const told = ({ jobId, data }: { jobId: string; data: unknown }): void => {
    if (jobId !== id) return;
    response.write(`data: ${JSON.stringify({ progress: data })}\n\n`);
    if ((data as { done?: number }).done === TOLD) response.end();
  };
  events.on("progress", told);
  response.on("close", () => events.off("progress", told));
}

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object" && address !== null)
    console.log(`http://127.0.0.1:${address.port}`);
});
