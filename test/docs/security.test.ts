// The command of docs/guide/security.md finds no file of a home that other users may read.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { World } from "../cli/world.ts";
import { freePort } from "../helpers/resources.ts";
import { blocksOf } from "./pages.ts";

test("no file of a home with running services is open to other users", async (t) => {
  const world = new World(t);
  const port = await freePort();
  world.write("server.js", `require("node:http").createServer().listen(${port});`);
  world.write("report.sh", "echo a line");
  world.configure({
    name: "shop",
    services: {
      web: { node: "server.js", listen: port },
      report: { run: ["sh", "report.sh"], restart: "never" },
    },
  });
  await world.succeed("up", "--timeout", "2m");
  await world.succeed("reload", "web", "--timeout", "2m");
  const [block] = blocksOf("docs/guide/security.md");
  const open = (): string =>
    spawnSync("sh", ["-c", block?.code ?? ""], { env: world.environment, encoding: "utf8" }).stdout;
  assert.equal(open(), "");
  // The command does find a file that is open.
  const file = join(world.home, "open");
  writeFileSync(file, "");
  chmodSync(file, 0o644);
  assert.equal(open().trim(), file);
});
