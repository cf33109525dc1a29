// Fetches many addresses on a few workers: `node examples/fetch-pool/fetch.ts [URL…]`. Without
// addresses it starts its own server and asks that.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";

import { Pool } from "../../src/pool/index.ts";
import type * as FetchWorker from "./fetch-worker.ts";

const asked = process.argv.slice(2);
const server = asked.length === 0 ? await startServer() : undefined;
const urls = server === undefined ? asked : addressesOf(server);

const pool = new Pool<typeof FetchWorker>({
  worker: new URL("./fetch-worker.ts", import.meta.url),
  size: 4,
  onResult: ({ url, server: name }) => console.log(`${url} ${name ?? "unknown"}`),
  onError: (error) => console.error(String(error)),
});
for (const url of urls) await pool.put(url);
await pool.stop();
server?.close();

/** Ten pages of a server that takes its time. */
async function startServer(): Promise<Server> {
  const started = createServer((_request, response) => {
    setTimeout(() => response.writeHead(200, { server: "newel-example" }).end("hello"), 50);
  });
  started.listen(0, "127.0.0.1");
  await once(started, "listening");
  return started;
}

function addressesOf(of: Server): string[] {
  const { port } = of.address() as AddressInfo;
  return Array.from({ length: 10 }, (_, page) => `http://127.0.0.1:${port}/${page}`);
}
