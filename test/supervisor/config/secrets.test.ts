import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { hideValues } from "../../../src/supervisor/config/secrets.ts";
import { loadError, makeApp } from "./app.ts";

const SECRETS: Readonly<Record<string, string>> = {
  DATABASE_URL: "postgres://shop:hunter22@db/shop",
  STORE: "redis://:hunter22@cache:6379",
  npm_config_registry: "https://me:hunter22@registry.test/",
  "npm_config_//registry.test/:_authToken": "npm_0123456789abcdef",
  GITHUB_TOKEN: "ghp_0123456789abcdef",
  DB_PASS: "hunter",
  PIN_PASSWORD: "123456",
  API_KEY: "/9j/4AAQSkZJRgABAQ",
  IMAGE: "/9j/4AAQSkZJRgABAQ",
  STRIPE: "sk_live_0123",
  PHRASE: "correct horse battery staple",
};

for (const [name, value] of Object.entries(SECRETS)) {
  test(`the value of ${name} is hidden`, () => {
    const hidden = hideValues(`listen is "x${value}"; no such socket.`, { [name]: value });
    assert.equal(hidden, `listen is "x$${name}"; no such socket.`);
  });
}

test("paths, words and the variables of npm, the shell and CI systems are readable", async (t) => {
  const directory = makeApp(t, {});
  writeFileSync(join(directory, "key.pem"), "");
  const environment: NodeJS.ProcessEnv = {
    npm_config_local_prefix: directory,
    npm_config_prefix: directory,
    npm_lifecycle_script: "newel check server",
    npm_config_user_agent: "npm/11 node/v26",
    INIT_CWD: directory,
    PROJECT_ROOT: directory,
    GITHUB_WORKSPACE: directory,
    VIRTUAL_ENV: directory,
    PYTHONPATH: `${directory}:/usr/lib`,
    TLS_KEY_FILE: `${directory}/key.pem`,
    APP: "server",
    STAGE: "missing",
    LANG: "en_US.UTF-8",
    XDG_SESSION_ID: "service",
  };
  const text = `services.web.node is "missing/server.ts", which does not exist: "${directory}/key.pem".`;
  assert.equal(hideValues(text, environment), text);
  writeFileSync(
    join(directory, "newel.config.json"),
    '{ "services": { "web": { "node": "missing.ts" } } }',
  );
  const { message } = await loadError(directory, {
    environment: { ...environment, PATH: "/usr/bin:/bin" },
  });
  assert.ok(message.includes(join(directory, "missing.ts")), message);
});
