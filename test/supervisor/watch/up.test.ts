import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { whoAnswers, World } from "../../cli/world.ts";
import { eventually, freePort } from "../../helpers/resources.ts";

const server = (text: string): string => `
  require("node:http").createServer((_, response) => response.end(${JSON.stringify(text)}))
    .listen(Number(process.env.PORT), "127.0.0.1");`;

test("a service with watch takes an edited file into service by itself, until it is stopped", async (t) => {
  const world = new World(t);
  const port = await freePort();
  const answer = (): Promise<string> => whoAnswers(port);
  const log = (): string => readFileSync(join(world.home, "supervisor.log"), "utf8");
  world.write("server.cjs", server("one"));
  world.configure({
    name: "tiny",
    services: {
      web: {
        node: "server.cjs",
        listen: `127.0.0.1:${port}`,
        env: { PORT: port },
        ready: { stable: "0s" },
        watch: true,
      },
    },
  });
  await world.succeed("up");
  assert.equal(await answer(), "one");
  world.write("server.cjs", server("two"));
  await eventually(async () => (await answer()) === "two", "the edit serves");
  assert.match(log(), /tiny\/web: server\.cjs changed: reload/);

  world.write("server.cjs", "throw new Error('broken')");
  await eventually(() => log().includes("did not get ready"), "the broken edit is refused");
  assert.equal(await answer(), "two");
  world.write("server.cjs", server("three"));
  await eventually(async () => (await answer()) === "three", "the correction serves");

  await world.succeed("stop", "web");
  world.write("server.cjs", server("four"));
  await world.succeed("start", "web");
  assert.equal(await answer(), "four");
  assert.equal(log().match(/changed: reload/g)?.length, 3);
});
