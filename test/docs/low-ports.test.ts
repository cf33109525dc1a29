// The configuration of docs/guide/low-ports.md needs the right that the page names.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

import { collect, World } from "../cli/world.ts";
import { withoutRoot } from "../helpers/as-nobody.ts";
import { startProcess } from "../helpers/resources.ts";
import { blocksOf, ROOT } from "./pages.ts";

const MAIN = join(ROOT, "src/cli/main.ts");
const blocks = blocksOf("docs/guide/low-ports.md");

const LIMIT = readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8");
const withoutLimit =
  Number(LIMIT) < 1024
    ? "every user may bind low ports: set ip_unprivileged_port_start to 1024"
    : false;

/** A port below 1024 that no program has. */
async function freeLowPort(): Promise<number> {
  for (let port = 1023; port > 512; port -= 1) {
    const server = createServer().listen(port);
    const bound = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!bound) continue;
    server.close();
    await once(server, "close");
    return port;
  }
  throw new Error("every port from 513 to 1023 is taken");
}

test(
  "without the capability up is refused, with it the app serves",
  { skip: withoutRoot || withoutLimit },
  async (t) => {
    const world = new World(t);
    const port = await freeLowPort();
    const [config] = blocks;
    assert.match(config?.code ?? "", /listen: 80\b/);
    world.write(
      "newel.config.ts",
      (config?.code ?? "")
        .replace(/^import .*$/m, "const defineConfig = (config) => config;")
        .replace("listen: 80", `listen: ${port}`),
    );
    world.write(
      "server.js",
      `require("node:http").createServer((_, response) => response.end("hello")).listen(${port});`,
    );
    const up = [process.execPath, MAIN, "up", "--timeout", "2m"];
    const refused = startProcess(t, "setpriv", ["--bounding-set", "-net_bind_service", ...up], {
      cwd: world.directory,
      env: world.environment,
    });
    const errors = collect(refused.stderr);
    const [code] = (await once(refused, "close")) as [number | null];
    assert.equal(code, 1, errors());
    assert.match(errors(), /NEWEL_E_PORT_RIGHTS/);
    const printed = blocks.map(({ code: text }) => text).join("");
    for (const way of [/net\.ipv4\.ip_unprivileged_port_start=/, /AmbientCapabilities=CAP_NET_\w+/])
      assert.equal(
        way.exec(errors())?.[0],
        way.exec(printed)?.[0],
        "the error names the same ways",
      );
    assert.match((await world.newel("ps")).stdout, /^(?!.*web)/);

    await world.succeed("down", "--all");
    await world.succeed("up", "--timeout", "2m");
    const answer = await fetch(`http://127.0.0.1:${port}`, { headers: { connection: "close" } });
    assert.equal(await answer.text(), "hello");
  },
);
