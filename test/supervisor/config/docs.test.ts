import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { load, loadError, makeApp } from "./app.ts";

const page = readFileSync("docs/reference/config.md", "utf8");

test("the page's configuration is accepted", async (t) => {
  const source = /```ts\n([^]*?)```/.exec(page)?.[1] ?? "";
  const directory = makeApp(t, { "newel.config.ts": source, "src/server.ts": "", ".env": "" });
  assert.equal((await load(directory)).name, "shop");
});

test("the page's errors are those that newel prints", async (t) => {
  const lines = /```text\n([^]*?)\n```/.exec(page)?.[1];
  const source = `
export default {
  services: {
    web: {
      instances: 2,
      run: "x",
      restart: "allways",
      stop: { grace: "10 minuts" },
    },
  },
};`;
  assert.equal((await loadError(makeApp(t, { "newel.config.ts": source }))).message, lines);
});

test("the page names every setting", async (t) => {
  // The message about an unknown setting lists those there are.
  const directory = makeApp(t, {
    "newel.config.json": `{ "zzzzzzzz": 1, "services": { "a": { "run": "x", "zzzzzzzz": 1, "ready": { "zzzzzzzz": 1 },
      "stop": { "zzzzzzzz": 1 }, "restart": { "zzzzzzzz": 1 }, "schedule": { "zzzzzzzz": 1 }, "hooks": { "zzzzzzzz": 1 }, "logs": { "zzzzzzzz": 1 } } },
      "sockets": { "s": { "path": "x", "zzzzzzzz": 1 } },
      "jobs": { "modules": "*.json", "zzzzzzzz": 1 }, "metrics": { "zzzzzzzz": 1 },
      "on": { "failed": { "zzzzzzzz": 1 }, "zzzzzzzz": 1 } }`,
  });
  const { message } = await loadError(directory);
  const settings = [...message.matchAll(/there are (.*)\.$/gm)].flatMap(([, names = ""]) =>
    names.split(", ").map((name) => name.replaceAll('"', "")),
  );
  assert.ok(settings.length > 35, `only ${settings.length} settings`);
  const missing = settings.filter((name) => !new RegExp(`[\`.{ ]${name}[\`:., ]`).test(page));
  assert.deepEqual(missing, []);
});
