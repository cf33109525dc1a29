// The server process of the wire's measurements: raw echoes, the wire and its peers, each at its own
// address. Sends the TLS ports to its parent and ends with it.
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";

import { deriveKey } from "../../src/wire/secret.ts";
import { serveTcp } from "../../src/wire/tcp.ts";
import { serveUnix } from "../../src/wire/unix.ts";
import { ECHO, MESSAGE_BYTES, SECRET, TLS_OPTIONS, type Echo } from "./common.ts";
import { servePeers } from "./peer-server.ts";

const directory = process.argv[2] ?? ".";

const echo: Echo = {
  add: (left, right) => left + right,
  addLater: async (left, right) => left + right,
  async *numbers(count) {
    for (let number = 0; number < count; number += 1) yield number;
  },
};

/** Answers each message with a separate write, as simple code would. */
function echoMessages(socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (; bytes.length - at >= MESSAGE_BYTES; at += MESSAGE_BYTES)
      socket.write(bytes.subarray(at, at + MESSAGE_BYTES));
    rest = Buffer.from(bytes.subarray(at));
  });
}

const { key } = await deriveKey(SECRET, ECHO.name);
createServer(echoMessages).listen(join(directory, "raw.sock"));
await serveUnix(join(directory, "wire.sock"), ECHO, echo);
const tls = createTlsServer({ ...TLS_OPTIONS, pskCallback: () => key }, echoMessages);
await new Promise<void>((resolve) => {
  tls.listen(0, "127.0.0.1", resolve);
});
const wireTls = await serveTcp({ port: 0, secret: SECRET }, ECHO, echo);
const tcp = createServer(echoMessages).listen(0, "127.0.0.1");
await once(tcp, "listening");
await servePeers(directory);
process.on("disconnect", () => process.exit(0));
process.send?.({
  tcp: (tcp.address() as AddressInfo).port,
  tls: (tls.address() as AddressInfo).port,
  wireTls: wireTls.port,
});
