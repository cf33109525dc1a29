import assert from "node:assert/strict";
import { test } from "node:test";

import { eventually, freePort } from "../helpers/resources.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

/** A server whose liveness check fails once the file `ill` exists, unless it began after that. */
const SERVER = `
import { createServer } from "node:http";
import { existsSync } from "node:fs";
const isSecond = existsSync("ill");
createServer((request, response) => {
  const isIll = request.url === "/healthz" && !isSecond && existsSync("ill");
  response.statusCode = isIll ? 503 : 200;
  response.end(String(process.pid));
}).listen(Number(process.argv[2]), "127.0.0.1");
`;

test("ready by pattern and by command; a failed liveness check replaces a server that never refuses", async (t) => {
  const app = new SupervisedApp(t);
  const port = await freePort();
  app.write("server.mjs", SERVER);
  const slow = `${"a".repeat(40)}!`;
  const config = (threshold: number): { services: Record<string, unknown> } => ({
    services: {
      pattern: {
        run: `echo port 80; echo ${slow}; echo port 8080; touch printed; exec sleep 1000`,
        // On the line of letters alone it would take hours.
        ready: { pattern: "^(a+)+$|^port \\d{4}$" },
      },
      command: {
        run: ["sleep", "1000"],
        dependsOn: ["pattern"],
        env: { WANTED: "printed" },
        ready: { command: 'test "$NEWEL_REPLICA" = 1 && test -e "$WANTED"' },
      },
      web: {
        node: "server.mjs",
        args: [String(port)],
        listen: `127.0.0.1:${port}`,
        ready: { stable: "0ms" },
        alive: { http: "/healthz", interval: "100ms", timeout: "20s", threshold },
      },
    },
  });
  const { ok, failed } = await app.up(config(1_000));
  assert.ok(ok, JSON.stringify(failed));
  const before = (await app.service("web")).processes[0]?.pid;
  // The settings of checks need no new process.
  assert.ok((await app.up(config(2))).ok);
  assert.equal((await app.service("web")).processes[0]?.pid, before);
  app.write("ill", "");
  await eventually(
    async () => {
      // A refused or lost request throws.
      const response = await fetch(`http://127.0.0.1:${port}`, {
        headers: { connection: "close" },
      });
      return Number(await response.text()) !== before;
    },
    "another process serves",
    60_000,
  );
  await eventually(
    async () => (await app.service("web")).restarts === 1,
    "the replacement is counted",
    60_000,
  );
});
