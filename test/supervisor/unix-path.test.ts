import assert from "node:assert/strict";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";

import { SupervisedApp } from "../helpers/supervised.ts";

async function answerAt(socketPath: string): Promise<string> {
  const asked = request({ socketPath, path: "/", agent: false }).end();
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  return text(answer);
}

test("the absolute path of a Unix socket in listen is held over a reload", async (t) => {
  const app = new SupervisedApp(t);
  const path = join(app.directory, "app.sock");
  app.write(
    "server.mjs",
    `import http from "node:http";
     http.createServer((q, r) => r.end(String(process.pid))).listen(${JSON.stringify(path)});`,
  );
  const config = { services: { web: { node: "server.mjs", listen: path } } };
  const up = await app.up(config);
  assert.ok(up.ok, JSON.stringify(up));
  const [before] = Object.values(await app.pids("web"));
  assert.equal(await answerAt(path), String(before));
  const waiting = Array.from({ length: 20 }, () => answerAt(path));
  assert.ok((await app.verb("reload", "web")).ok);
  const [after] = Object.values(await app.pids("web"));
  assert.notEqual(after, before);
  for (const answer of await Promise.all(waiting))
    assert.ok([String(before), String(after)].includes(answer), answer);
  assert.equal(await answerAt(path), String(after));
  const [socket] = await (await app.kernel()).sockets.list();
  assert.equal(socket?.path, path);
});
