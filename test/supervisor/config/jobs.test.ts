import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { load, loadError, makeApp, serviceOf } from "./app.ts";

const config = (jobs: string, services = 'web: { node: "server.ts" }'): string => `
export default {
  services: { ${services} },
  jobs: ${jobs},
};`;

test("jobs becomes a service, and every service knows the store", async (t) => {
  const source = config(
    '{ modules: ["server.ts"], store: "sqlite:./data/jobs.db?synchronous=normal", processes: 4, grace: "5s", env: { A: "b" }, dependsOn: ["web"] }',
  );
  const directory = makeApp(t, { "newel.config.ts": source });
  const resolved = await load(directory);
  const jobs = serviceOf(resolved, "jobs");
  assert.ok(jobs.command.kind === "exec");
  const [node, program = "", ...words] = jobs.command.args;
  assert.equal(node, process.execPath);
  assert.match(program, /cli\/main\.(ts|js)$/);
  assert.deepEqual(words, [
    "jobs",
    "server",
    "--processes",
    "4",
    "--grace",
    "5000ms",
    "--modules",
    "server.ts",
  ]);
  const store = `sqlite:${join(directory, "data/jobs.db")}?synchronous=normal`;
  for (const name of ["web", "jobs"])
    assert.equal(serviceOf(resolved, name).env["NEWEL_JOBS_STORE"], store);
  assert.equal(jobs.env["A"], "b");
  assert.deepEqual(jobs.dependsOn, { web: "ready" });
  assert.deepEqual([jobs.ready.probe.kind, jobs.stop.graceMs], ["notify", 15_000]);
});

test("where programs on other machines reach it", async (t) => {
  const source = config(
    '{ modules: "server.ts", listen: { host: "", port: 5667, authKeyFile: "jobs.key" } }',
  );
  const directory = makeApp(t, { "newel.config.ts": source });
  const { command } = serviceOf(await load(directory), "jobs");
  assert.ok(command.kind === "exec");
  const at = command.args.indexOf("--host");
  assert.deepEqual(command.args.slice(at, at + 6), [
    "--host",
    "",
    "--port",
    "5667",
    "--authkey-file",
    join(directory, "jobs.key"),
  ]);
});

test("a store on a server stays as it is, and is in no list of processes", async (t) => {
  const store = "redis://:hunter2hunter2@redis.internal:6379";
  const source = config(`{ modules: "server.ts", store: "${store}" }`);
  const resolved = await load(makeApp(t, { "newel.config.ts": source }));
  assert.equal(serviceOf(resolved, "web").env["NEWEL_JOBS_STORE"], store);
  assert.ok(!JSON.stringify(serviceOf(resolved, "jobs").command).includes("hunter2"));
});

for (const [title, source, message] of [
  ["no modules", config("{}"), 'jobs has no "modules"'],
  ["no such module", config('{ modules: "x/*.ts" }'), 'jobs.modules has "x/*.ts", which no file'],
  ["no object", config('"x"'), 'jobs is "x"; must be an object'],
  ["no such store", config('{ modules: "server.ts", store: "mysql://x" }'), "jobs.store is"],
  ["too many", config('{ modules: "server.ts", processes: 0 }'), "jobs.processes is 0"],
  [
    "no auth key",
    config('{ modules: "server.ts", listen: { host: "", port: 5667 } }'),
    'jobs.listen has no "authKeyFile"',
  ],
  [
    "a secret in the configuration",
    config(
      '{ modules: "server.ts", listen: { host: "", port: 5667, authKey: "x", authKeyFile: "k" } }',
    ),
    "A secret does not belong here",
  ],
  ["misspelt", config('{ module: "server.ts", modules: "server.ts" }'), 'Did you mean "modules"?'],
  ["another word", config('{ modules: "server.ts", workers: 3 }'), 'Write it as "processes".'],
  [
    "depends on nothing",
    config('{ modules: "server.ts", dependsOn: ["wbe"] }'),
    'jobs.dependsOn has "wbe"; there is no such service. Did you mean "web"?',
  ],
  [
    "a service of that name",
    config('{ modules: "server.ts" }', 'jobs: { run: "x" }'),
    "services.jobs has the name of the job server's service",
  ],
] as const)
  test(`a broken jobs: ${title}`, async (t) => {
    const error = await loadError(makeApp(t, { "newel.config.ts": source }));
    assert.ok(error.message.includes(message), error.message);
    assert.equal(error.message.split("\n").length, 1, error.message);
    assert.match(error.message, /^newel\.config\.ts:\d+ /);
  });
