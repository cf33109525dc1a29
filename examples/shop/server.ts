/**
 * A small shop, as anybody would write it: nothing in here knows of newel. Run it alone with
 * `PORT=3000 node server.ts`, or two of it on one socket with `newel up`.
 */
import { readFileSync } from "node:fs";

import fastify from "fastify";

import { productPage } from "./products.ts";

const app = fastify();
const served = { answers: 0, since: Date.now() };
const name = process.env["NEWEL_PROCESS"] ?? `pid ${process.pid}`;

app.addHook("onRequest", async (_request, reply) => {
  served.answers += 1;
  void reply.header("x-process", name).header("x-pid", process.pid);
});

for (const [path, file, type] of [
  ["/style.css", "page/style.css", "text/css"],
  ["/live.js", "page/live.js", "text/javascript"],
] as const) {
  const content = readFileSync(new URL(file, import.meta.url));
  app.get(path, async (_request, reply) => reply.type(type).send(content));
}

app.get("/", async (_request, reply) =>
  reply.type("text/html; charset=utf-8").send(productPage(name, process.pid)),
);

app.get("/healthz", async () => "ok");

app.get("/who", async () => ({
  process: name,
  pid: process.pid,
  answers: served.answers,
  upSeconds: Math.round((Date.now() - served.since) / 1_000),
}));

// A slow order, which a restart must not cut off.
app.get("/slow", async () => {
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  return { process: name, pid: process.pid, order: Math.floor(Math.random() * 90_000) + 10_000 };
});

// The clock on the page: server-sent events, one a second, as long as the page is open.
app.get("/stream", (_request, reply) => {
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-transform" });
  raw.write("retry: 200\n\n");
  const tick = (): void => {
    const time = new Date().toLocaleTimeString("en-GB");
    raw.write(`data: ${JSON.stringify({ time, process: name, pid: process.pid })}\n\n`);
  };
  tick();
  const timer = setInterval(tick, 1_000);
  raw.on("close", () => clearInterval(timer));
});

const address = await app.listen({
  port: Number(process.env["PORT"] ?? 3000),
  host: "127.0.0.1",
});
console.log(`${name} sells stairs at ${address}`);
