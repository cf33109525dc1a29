import assert from "node:assert/strict";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { load, loadError, makeApp, serviceOf } from "./app.ts";

test("the file is searched upwards, TypeScript first, or named", async (t) => {
  const one = (name: string): string => `export default { name: "${name}", services: {} };`;
  const directory = makeApp(t, {
    "newel.config.ts": one("ts"),
    "newel.config.js": one("js"),
    "newel.config.json": '\uFEFF{ "name": "json", "services": {} }',
    "mts/newel.config.mts": one("mts"),
    "mjs/newel.config.mjs": one("mjs"),
    "cjs/newel.config.js": 'module.exports = { name: "cjs", services: {} };',
    "cjs/package.json": '{ "type": "commonjs" }',
    "a/b/c/x": "",
  });
  const name = async (from: string, file?: string): Promise<string> => {
    const options = file === undefined ? {} : { file };
    return (await load(join(directory, from), options)).name;
  };
  assert.equal(await name("."), "ts");
  assert.equal(await name("a/b/c"), "ts");
  assert.equal(await name("mts"), "mts");
  assert.equal(await name("mjs"), "mjs");
  assert.equal(await name("cjs"), "cjs");
  assert.equal(await name("a/b", "../../newel.config.json"), "json");
  assert.equal(await name("mts", join(directory, "newel.config.js")), "js");
});

test("no file, or one of another kind", async (t) => {
  const directory = makeApp(t, { "compose.yaml": "", "a/x": "" });
  const none = await loadError(directory);
  assert.equal(none.code, "NEWEL_E_CONFIG_MISSING");
  assert.equal(
    none.message,
    `No configuration found: no newel.config.{ts,mts,js,mjs,json} in ${directory} or above.`,
  );
  const named = await loadError(directory, { file: "nope.ts" });
  assert.equal(named.message, "No configuration found: nope.ts does not exist.");
  const folder = await loadError(directory, { file: "a" });
  assert.equal(folder.message, "No configuration found: a is a directory.");
  const yaml = await loadError(directory, { file: "compose.yaml" });
  assert.equal(yaml.code, "NEWEL_E_CONFIG");
  assert.match(
    yaml.message,
    /^compose\.yaml {2}newel reads \.ts, \.mts, \.js, \.mjs, \.json, files of pm2 and Procfiles: .* `newel init --from compose\.yaml`/,
  );
});

const UNREADABLE = [
  "newel.config",
  "newel.config.yaml",
  "newel.config.yml",
  "newel.config.toml",
  "newel.config.cjs",
  "newel.config.TS",
  "supervisord.conf",
  "process-compose.yaml",
];

for (const file of UNREADABLE) {
  test(`the configuration of a parent directory is not applied in place of ${file}`, async (t) => {
    const directory = makeApp(t, {
      "newel.config.json": '{ "services": {} }',
      [`inner/${file}`]: "anything",
      "inner/deep/x": "",
    });
    for (const from of ["inner", "inner/deep"]) {
      const error = await loadError(join(directory, from));
      assert.equal(error.code, "NEWEL_E_CONFIG");
      assert.ok(error.message.includes(`${file}  is `), error.message);
      assert.match(
        error.message,
        /newel\.config\.ts here \(`newel init` does\), or name the file that is meant with -c/,
      );
    }
    const named = await load(join(directory, "inner"), { file: "../newel.config.json" });
    assert.equal(named.file, join(directory, "newel.config.json"));
  });
}

test("a file of pm2 or a Procfile is the configuration of its directory, unless there are two", async (t) => {
  const directory = makeApp(t, {
    "newel.config.json": '{ "services": {} }',
    "heroku/Procfile": "web: node server.js\nworker: sleep 60 | cat\n",
    "heroku/server.js": "",
    "heroku/deep/x": "",
    "pm2/ecosystem.json": '{ "apps": [{ "name": "api", "script": "gone.js", "max_restarts": 2 }] }',
    "both/Procfile": "web: date\n",
    "both/ecosystem.config.js": "",
    "wrong/Procfile": "web: date\nno process\n",
  });
  const sentences: string[] = [];
  const onForeign = (sentence: string): number => sentences.push(sentence);
  const config = await load(join(directory, "heroku/deep"), { onForeign });
  assert.equal(config.file, join(directory, "heroku/Procfile"));
  assert.deepEqual(
    config.services.map(({ name }) => name),
    ["web", "worker"],
  );
  assert.match(sentences.join(), /^Reading Procfile \(Procfile\): web, worker\. `newel init`/);
  const missing = await loadError(join(directory, "pm2"));
  assert.match(
    missing.message,
    /^ecosystem\.json:1 {2}services\.api\.node is "gone\.js", which does/,
  );
  const both = await loadError(join(directory, "both"));
  assert.match(both.message, /is one of several configurations of other tools here/);
  const named = await load(join(directory, "both"), { file: "Procfile" });
  assert.equal(named.services.length, 1);
  const wrong = await loadError(join(directory, "wrong"));
  assert.match(
    wrong.message,
    /^Procfile:2 {2}This line is "no process"; a line of a Procfile is NAME: /,
  );
});

test("a dangling link is an error, a leftover copy or a directory is not", async (t) => {
  const directory = makeApp(t, {
    "newel.config.json": '{ "services": {} }',
    "broken/x": "",
    "copies/newel.config.ts.bak": "",
    "copies/newel.config.bak": "",
    "copies/newel.config.yaml/x": "",
  });
  symlinkSync("gone.ts", join(directory, "broken/newel.config.ts"));
  const error = await loadError(join(directory, "broken"));
  assert.match(error.message, /newel\.config\.ts is a link to a file that does not exist/);
  const { file } = await load(join(directory, "copies"));
  assert.equal(file, join(directory, "newel.config.json"));
});

test("a file has one name, through a linked directory too; a file that is a link stays where it is", async (t) => {
  const directory = makeApp(t, {
    "releases/1/newel.config.json": '{ "services": { "a": { "run": "x" } } }',
    "shared/site.json": '{ "services": {} }',
    "site/x": "",
  });
  symlinkSync("releases/1", join(directory, "current"));
  symlinkSync("../shared/site.json", join(directory, "site/newel.config.json"));
  const linked = await load(directory, { file: "current/newel.config.json" });
  assert.equal(linked.file, join(directory, "releases/1/newel.config.json"));
  assert.equal(serviceOf(linked, "a").cwd, join(directory, "releases/1"));
  const site = await load(join(directory, "site"));
  assert.equal(site.file, join(directory, "site/newel.config.json"));
});
