import assert from "node:assert/strict";
import { test } from "node:test";

import { hasCode } from "../../../src/base/errors.ts";
import { changedKeys, describeChanges } from "../../../src/supervisor/config/changes.ts";
import {
  parseResolvedConfig,
  type ResolvedService,
} from "../../../src/supervisor/config/resolved.ts";
import { bareEnvironment, load, makeApp, serviceOf } from "./app.ts";
import { type Scope } from "../../helpers/resources.ts";

/** The service `web` of a JSON configuration in its own directory. */
async function resolveWeb(
  directory: string,
  settings: object,
  top: object = {},
  environment: NodeJS.ProcessEnv = {},
): Promise<ResolvedService> {
  const { writeFileSync } = await import("node:fs");
  const services = {
    web: { node: "server.ts", listen: "web", ...settings },
    db: { run: "x", restart: "never" },
  };
  const config = { sockets: { web: { port: 3000 } }, services, ...top };
  writeFileSync(`${directory}/newel.config.json`, JSON.stringify(config));
  const loaded = await load(directory, { environment: { ...bareEnvironment, ...environment } });
  return serviceOf(loaded, "web");
}

const directoryOf = (scope: Scope): string =>
  makeApp(scope, { "other.ts": "", ".env": "FROM_FILE=1" });

test("the same configuration has the same hash, in any order of keys", async (t) => {
  const directory = directoryOf(t);
  const env = { A: "1", B: "2" };
  const one = await resolveWeb(directory, { env, args: ["x"] });
  const two = await resolveWeb(directory, { args: ["x"], env: { B: "2", A: "1" } });
  assert.equal(one.hash, two.hash);
  assert.deepEqual(changedKeys(one, two), []);
});

/** [change, the keys that report it, whether it needs new processes] */
const CHANGES: readonly (readonly [object, readonly string[], boolean])[] = [
  [{ env: { PORT: "1" } }, ["env.PORT"], true],
  [{ envFile: ".env" }, ["env.FROM_FILE"], true],
  [{ passEnv: ["TOKEN"] }, ["env.TOKEN"], true],
  [{ args: ["-v"] }, ["args"], true],
  [{ nodeArgs: ["--enable-source-maps"] }, ["nodeArgs"], true],
  [{ node: "other.ts" }, ["node"], true],
  [{ cwd: "/", node: "/dev/null" }, ["cwd", "node"], true],
  [{ umask: "022" }, ["umask"], true],
  [{ listen: ["web", 8080] }, ["listen"], true],
  [{ logs: { bufsize: "1MB" } }, ["logs.bufsize"], true],
  [{ logs: { maxAge: "30d" } }, ["logs.maxAge"], true],
  [{ logs: { stderr: "stdout" } }, ["logs.stderr"], true],
  [{ stop: { grace: "20s" } }, ["stop.grace"], true],
  [{ stop: { signal: "SIGINT" } }, ["stop.signal"], true],
  [{ ready: { http: "/h" } }, ["ready.http", "ready.notify"], true],
  [
    // Another program does not ask for a host: newel binds every address before it starts.
    { node: undefined, run: "x" },
    ["args", "listen", "node", "nodeArgs", "nodePath", "ready.notify", "run"],
    true,
  ],
  [{ ready: { timeout: "5s" } }, ["ready.timeout"], false],
  [{ replicas: 3 }, ["replicas"], false],
  [{ restart: "never" }, ["restart.policy"], false],
  [{ restart: { max: 3, backoff: { min: "1s" } } }, ["restart.backoff", "restart.max"], false],
  [{ dependsOn: ["db"] }, ["dependsOn"], false],
  [{ enabled: false }, ["enabled"], false],
];

for (const [change, keys, needsNew] of CHANGES) {
  test(`a change of ${keys.join(", ")} ${needsNew ? "needs" : "needs no"} new processes`, async (t) => {
    const directory = directoryOf(t);
    const before = await resolveWeb(directory, {});
    const after = await resolveWeb(directory, change, {}, { TOKEN: "secret-value" });
    assert.deepEqual(changedKeys(before, after).sort(), [...keys].sort());
    assert.equal(before.hash !== after.hash, needsNew);
  });
}

test("a change is described by its name, a program by its paths", async (t) => {
  const directory = directoryOf(t);
  const before = await resolveWeb(directory, { env: { A: "1" } });
  const after = await resolveWeb(directory, { env: { A: "secret-value" } });
  assert.deepEqual(describeChanges(before, after), ["env.A changed"]);
  const { command } = before;
  assert.ok(command.kind === "node");
  const other = { ...before, command: { ...command, nodePath: "/opt/node" } };
  assert.deepEqual(describeChanges(before, other), [
    `the Node.js changed: ${process.execPath} → /opt/node`,
  ]);
});

test("another address of a socket is a change of the services that listen on it", async (t) => {
  const directory = directoryOf(t);
  const before = await resolveWeb(directory, {});
  const after = await resolveWeb(directory, {}, { sockets: { web: { port: 3001 } } });
  assert.deepEqual(changedKeys(before, after), ["listen"]);
  assert.notEqual(before.hash, after.hash);
});

test("a stored configuration is read back as it was", async (t) => {
  const directory = makeApp(t, {
    "newel.config.ts": `export default {
      sockets: { u: { path: "x.sock", umask: "077" } },
      services: {
        web: { node: "server.ts", listen: ["u", 3000], ready: { http: "/x" }, umask: "022" },
        asked: { run: ["x"], listen: 3000, ready: { http: "/x" } },
        off: { run: "x", enabled: false, ready: { tcp: "127.0.0.1:1" } },
        log: { run: "x", ready: { log: "up" }, dependsOn: ["web"] },
      },
    };`,
  });
  const config = await load(directory);
  const stored: unknown = JSON.parse(JSON.stringify(config));
  assert.deepEqual(parseResolvedConfig(stored), config);
});

test("an invalid stored configuration is refused without a value of it", async (t) => {
  const config = await load(
    makeApp(t, { "newel.config.json": '{ "services": { "a": { "run": "x" } } }' }),
  );
  const service = serviceOf(config, "a");
  const broken: readonly unknown[] = [
    undefined,
    null,
    "secret",
    [],
    {},
    { ...config, services: [{ ...service, env: { A: 5 } }] },
    { ...config, services: [{ ...service, command: { kind: "secret" } }] },
    { ...config, services: [{ ...service, replicas: -1 }] },
    { ...config, services: [{ ...service, stop: { signal: "secret" } }] },
    { ...config, sockets: [{ name: "secret", backlog: "secret" }] },
  ];
  for (const value of broken) {
    assert.throws(
      () => parseResolvedConfig(value),
      (error) => hasCode(error, "NEWEL_E_CONFIG_STORED") && !String(error).includes("secret"),
    );
  }
});
