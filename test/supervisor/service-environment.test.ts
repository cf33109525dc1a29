import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { programPath } from "../../src/base/modules.ts";
import { eventually } from "../helpers/resources.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

const CLIENT = pathToFileURL(programPath("kernel/client/client")).href;

/** Reads a file that a service writes in one piece. */
async function written(app: SupervisedApp, name: string): Promise<string> {
  const path = join(app.directory, name);
  await eventually(() => existsSync(path) && readFileSync(path, "utf8") !== "", `${name} is there`);
  return readFileSync(path, "utf8");
}

test("every service has the home of its supervisor, unless its configuration names another", async (t) => {
  const app = new SupervisedApp(t);
  app.write(
    "home.cjs",
    `require("fs").writeFileSync(process.argv[2], process.env.NEWEL_HOME); setInterval(() => {}, 1000);`,
  );
  const outcome = await app.up({
    services: {
      node: { node: "home.cjs", args: ["node"] },
      list: { run: [process.execPath, "home.cjs", "list"] },
      text: { run: 'printf %s "$NEWEL_HOME" > text; exec sleep 1000' },
      other: { node: "home.cjs", args: ["other"], env: { NEWEL_HOME: "/other/home" } },
    },
  });
  assert.ok(outcome.ok, JSON.stringify(outcome.failed));
  for (const name of ["node", "list", "text"])
    assert.equal(await written(app, name), app.home.directory, name);
  assert.equal(await written(app, "other"), "/other/home");
});

test("a kernel client in a service connects to the kernel that runs the service", async (t) => {
  const app = new SupervisedApp(t);
  app.write(
    "client.mjs",
    `import { writeFileSync } from "node:fs";
     import { connectKernel } from ${JSON.stringify(CLIENT)};
     const kernel = await connectKernel({ autostart: false });
     writeFileSync("seen", String((await kernel.status()).pid));`,
  );
  const outcome = await app.up({ services: { client: { node: "client.mjs" } } });
  assert.ok(outcome.ok, JSON.stringify(outcome.failed));
  const { pid } = await (await app.kernel()).status();
  assert.equal(await written(app, "seen"), String(pid));
});

test("a process has the number of its replica, and on request that number less 1", async (t) => {
  const app = new SupervisedApp(t);
  const run =
    'printf %s "$NEWEL_PROCESS $NEWEL_REPLICA ${NODE_APP_INSTANCE:-none}" > "$NAME.$NEWEL_REPLICA"; exec sleep 1000';
  const outcome = await app.up({
    services: {
      web: { run, replicas: 2, instanceVar: "NODE_APP_INSTANCE", env: { NAME: "web" } },
      plain: { run, env: { NAME: "plain" } },
    },
  });
  assert.ok(outcome.ok, JSON.stringify(outcome.failed));
  assert.equal(await written(app, "web.1"), "web.1 1 0");
  assert.equal(await written(app, "web.2"), "web.2 2 1");
  assert.equal(await written(app, "plain.1"), "plain.1 1 none");
});

test("Python does not buffer its output, unless the configuration has it so", async (t) => {
  const app = new SupervisedApp(t);
  const run = 'printf %s "[$PYTHONUNBUFFERED]" > "$NAME"; exec sleep 1000';
  const outcome = await app.up({
    services: {
      plain: { run, env: { NAME: "plain" } },
      buffered: { run, env: { NAME: "buffered", PYTHONUNBUFFERED: "" } },
    },
  });
  assert.ok(outcome.ok, JSON.stringify(outcome.failed));
  assert.equal(await written(app, "plain"), "[1]");
  assert.equal(await written(app, "buffered"), "[]");
});
