import assert from "node:assert/strict";
import { once } from "node:events";
import { chownSync } from "node:fs";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { defineContract, type Contract } from "../../src/wire/contract.ts";
import { connectTcp } from "../../src/wire/tcp.ts";
import { connectUnix, serveUnix } from "../../src/wire/unix.ts";
import { NOBODY, withoutRoot } from "../helpers/as-nobody.ts";
import { temporaryDirectory } from "../helpers/resources.ts";

const GREETING = "HTTP/1.1 400 Bad Request\r\n\r\n";

interface Echo {
  echo(value: unknown): Promise<unknown>;
}

const ECHO: Contract<Echo> = defineContract<Echo>()({
  name: "echo",
  version: 1,
  calls: ["echo"],
  streams: [],
});

test(
  "a socket of another user is not talked to, but root may name that user's directory",
  { skip: withoutRoot },
  async (t) => {
    const path = join(temporaryDirectory(t), "x.sock");
    const server = await serveUnix(path, ECHO, { echo: async (value) => value });
    t.after(() => server.close(0));
    chownSync(path, NOBODY, NOBODY);
    await assert.rejects(connectUnix(path, ECHO), { code: "NEWEL_E_REFUSED_UID" });
    chownSync(dirname(path), NOBODY, NOBODY);
    await using connection = await connectUnix(path, ECHO);
    assert.equal(await connection.remote.echo(1), 1);
  },
);

test("the greeting of another program is reported however it ends the connection", async (t) => {
  const endings: readonly ((socket: Socket) => void)[] = [
    (socket) => socket.end(GREETING),
    (socket) => socket.write(GREETING, () => socket.destroy()),
    (socket) => socket.write(GREETING),
    (socket) => socket.end(GREETING.repeat(100_000)),
  ];
  for (const end of endings) {
    const server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      end(socket);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => void server.close());
    const { port } = server.address() as AddressInfo;
    for (let round = 0; round < 10; round += 1) {
      await assert.rejects(connectTcp({ port }, ECHO, { timeoutMs: 20_000 }), {
        code: "NEWEL_E_FRAME",
        message: /began with "HTTP\/1\.1 400 Bad Request", so it is another program/,
      });
    }
  }
});
