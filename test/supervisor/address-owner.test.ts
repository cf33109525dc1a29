import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

import { findAddressOwner, overlaps, parseTcpTable } from "../../src/supervisor/address-owner.ts";
import { cleanUp, startProcess, temporaryDirectory } from "../helpers/resources.ts";

const HEAD =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";

test("the tables of the operating system are read: listening sockets alone, of both families", () => {
  const tcp = [
    HEAD,
    "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 41 1 0 100 0 0 10 0",
    "   1: 0100007F:0BB8 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 42 1 0 20 4 30 10 -1",
    "   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 43 1 0 100 0 0 10 0",
  ].join("\n");
  assert.deepEqual(parseTcpTable(tcp), [
    { host: "127.0.0.1", port: 3000, uid: 1000, inode: "41" },
    { host: "0.0.0.0", port: 22, uid: 0, inode: "43" },
  ]);
  const row = (host: string): string =>
    `   0: ${host}:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 44 1`;
  const hosts = [
    "00000000000000000000000000000000",
    "00000000000000000000000001000000",
    "B80D0120000000000000000001000000",
  ].map((hex) => parseTcpTable(row(hex))[0]?.host);
  assert.deepEqual(hosts, ["::", "::1", "2001:db8::1"]);
});

test("an address overlaps with its own and with every address of its port", () => {
  const at = (host: string, port = 3000) => ({ host, port, uid: 0, inode: "" });
  assert.ok(overlaps({ host: "127.0.0.1", port: 3000 }, at("127.0.0.1")));
  assert.ok(overlaps({ host: "127.0.0.1", port: 3000 }, at("::")));
  assert.ok(overlaps({ host: "::", port: 3000 }, at("127.0.0.1")));
  assert.ok(!overlaps({ host: "127.0.0.1", port: 3000 }, at("127.0.0.2")));
  assert.ok(!overlaps({ host: "127.0.0.1", port: 3000 }, at("127.0.0.1", 3001)));
});

test("the process that listens is found with its command and its ancestors", async (t) => {
  const path = join(temporaryDirectory(t), "a.sock");
  const code = `const net = require("net");
    const a = net.createServer().listen(0, "127.0.0.1", () =>
      net.createServer().listen(${JSON.stringify(path)}, () => console.log(a.address().port)));`;
  const child = startProcess(t, process.execPath, ["-e", code]);
  const [line] = (await once(child.stdout ?? process.stdin, "data")) as [Buffer];
  const port = Number(line.toString());
  for (const address of [{ host: "127.0.0.1", port }, { port }, { path }]) {
    const owner = findAddressOwner(address);
    assert.equal(owner?.pid, child.pid);
    assert.match(owner?.command ?? "", /-e const net/);
    assert.deepEqual(owner?.line.slice(0, 2), [child.pid, process.pid]);
  }
});

test("an address that no process listens on has no owner", async (t) => {
  const server = createServer().listen(0, "127.0.0.1");
  cleanUp(t, () => void server.close());
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  assert.equal(findAddressOwner({ host: "127.0.0.1", port: address.port })?.pid, process.pid);
  server.close();
  await once(server, "close");
  assert.equal(findAddressOwner({ host: "127.0.0.1", port: address.port }), undefined);
  assert.equal(findAddressOwner({ path: "/nowhere/a.sock" }), undefined);
});
