import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { load, loadError, makeApp, serviceOf } from "./app.ts";

const APP = {
  env: { LEVEL: "info", BOTH: "app" },
  profileEnv: { production: { LEVEL: "warn", BOTH: "profile" } },
  services: {
    web: { run: "x", dependsOn: ["mock"], env: { BOTH: "web" }, tags: ["front", "all"] },
    mock: { run: "x", profiles: ["development", "test"] },
    worker: {
      run: "x",
      profileEnv: { production: { BOTH: "worker $(replica)" }, test: { BOTH: "t" } },
    },
  },
};

const files = (config: object): Record<string, string> => ({
  "newel.config.json": JSON.stringify(config),
});

test("a service with profiles is left out without one of them, also by the services that depend on it", async (t) => {
  const directory = makeApp(t, files(APP));
  const plain = await load(directory);
  assert.deepEqual(
    plain.services.map(({ name, enabled }) => [name, enabled]),
    [
      ["web", true],
      ["mock", false],
      ["worker", true],
    ],
  );
  assert.deepEqual(serviceOf(plain, "web").dependsOn, {});
  assert.equal(plain.profiles, undefined);
  const chosen = await load(directory, { profiles: ["test", "production", "test"] });
  assert.deepEqual(chosen.profiles, ["production", "test"]);
  assert.equal(serviceOf(chosen, "mock").enabled, true);
  assert.deepEqual(serviceOf(chosen, "web").dependsOn, { mock: "ready" });
  assert.deepEqual(serviceOf(chosen, "web").tags, ["front", "all"]);
  const environment = { PATH: "/bin", NEWEL_PROFILES: "development, other" };
  assert.equal(serviceOf(await load(directory, { environment }), "mock").enabled, true);
  // --profile replaces NEWEL_PROFILES.
  const both = await load(directory, { environment, profiles: ["production"] });
  assert.equal(serviceOf(both, "mock").enabled, false);
});

test("the variables of an active profile win over env, those of a service over those of the app", async (t) => {
  const directory = makeApp(t, files(APP));
  const of = async (name: string, ...profiles: string[]) => {
    const { LEVEL, BOTH } = serviceOf(await load(directory, { profiles }), name).env;
    return [LEVEL, BOTH];
  };
  assert.deepEqual(await of("web"), ["info", "web"]);
  assert.deepEqual(await of("web", "production"), ["warn", "web"]);
  assert.deepEqual(await of("worker"), ["info", "app"]);
  assert.deepEqual(await of("worker", "production"), ["warn", "worker $(replica)"]);
  assert.deepEqual(await of("worker", "test", "production"), ["warn", "t"]);
});

test("an unknown profile and wrong names are reported without a value", async (t) => {
  const directory = makeApp(t, files(APP));
  const { message } = await loadError(directory, { profiles: ["productions", "test"] });
  assert.equal(
    message,
    'newel.config.json:1  The file has no profile "productions". Did you mean "production"?',
  );
  const wrong = {
    profileEnv: { production: { "A B": "hunter2hunter2", NEWEL_MARK: "1" } },
    services: {
      web: {
        run: "x",
        profiles: "test",
        tags: ["a b"],
        profileEnv: { test: { TOKEN: ["hunter2hunter2"] } },
      },
    },
  };
  const { message: says } = await loadError(makeApp(t, files(wrong)));
  assert.deepEqual(
    says.split("\n").map((line) => line.replace("newel.config.json:1  ", "")),
    [
      'profileEnv.production has "A B", which cannot be the name of a variable: use letters, digits and "_".',
      "profileEnv.production.NEWEL_MARK is set by newel itself: leave it out.",
      'services.web.profiles is "test"; must be a list of names: ["development"].',
      'services.web.tags[0] is "a b"; must be a name: letters, digits, ".", "-" and "_", a letter or digit first.',
      'services.web.profileEnv.test.TOKEN is a list; must be a text in quotes (or a number): NAME: "value".',
    ],
  );
});

test("included files add services and sockets, with paths from their own directory", async (t) => {
  const directory = makeApp(t, {
    "newel.config.json": JSON.stringify({
      include: ["parts/db.json", "parts/${EXTRA:-more}.mjs"],
      services: { web: { run: "x", dependsOn: ["db"] } },
    }),
    "parts/db.json": JSON.stringify({
      include: "deep/cache.json",
      sockets: { db: { path: "db.sock" } },
      services: { db: { node: "db.js", envFile: ["db.env"], listen: "db" } },
    }),
    "parts/db.js": "",
    "parts/db.env": "DB=1",
    "parts/deep/cache.json": JSON.stringify({ services: { cache: { run: "x", cwd: ".." } } }),
    "parts/more.mjs": 'export default { services: { more: { run: "x", listen: "db" } } };',
  });
  const config = await load(directory);
  assert.deepEqual(
    config.services.map(({ name, cwd }) => [name, cwd]),
    [
      ["web", ""],
      ["db", "parts"],
      ["more", "parts"],
      ["cache", "parts"],
    ].map(([name = "", cwd = ""]) => [name, join(directory, cwd)]),
  );
  const db = serviceOf(config, "db");
  assert.equal(db.command.kind === "node" && db.command.file, join(directory, "parts/db.js"));
  assert.equal(db.env["DB"], "1");
  assert.equal(serviceOf(config, "more").listen[0]?.path, join(directory, "parts/db.sock"));
});

test("a problem of an included file is reported with that file and its line", async (t) => {
  const directory = makeApp(t, {
    "newel.config.json": `{
  "include": ["a.json", "none.json", "x.yaml", 7, "a.json"],
  "services": {
    "web": { "run": "x", "restart": "alway" }
  }
}`,
    "a.json": `{
  "name": "other",
  "include": ["newel.config.json", "b.mjs"],
  "services": {
    "web": { "run": "y" },
    "db": { "run": "x", "replicas": -1 }
  }
}`,
    "b.mjs":
      'export default {\n  services: {\n    job: { run: "x", dependsOn: ["dbb"] },\n  },\n};\n',
  });
  const { message } = await loadError(directory);
  assert.deepEqual(message.replaceAll(`${directory}/`, "").split("\n"), [
    'newel.config.json:2  include[1] is "none.json", which does not exist: "none.json".',
    'newel.config.json:2  include[2] is "x.yaml"; a configuration file ends with .ts, .mts, .js, .mjs, .json.',
    'newel.config.json:2  include[3] is a number; must be a file name or a list of them: "services/redis.json".',
    'newel.config.json:2  include[4] is "a.json", which is included already.',
    'newel.config.json:4  services.web.restart is "alway"; use "always", "on-failure" or "never". Did you mean "always"?',
    'a.json:2  name has no place in an included file, which has "services", "sockets" and "include" alone.',
    "a.json:3  include[0] makes a circle: newel.config.json → a.json → newel.config.json.",
    "a.json:5  services.web is in the configuration too: names are unique over all included files.",
    "a.json:6  services.db.replicas is -1; must be a whole number from 0 to 1000.",
    'b.mjs:3  services.job.dependsOn has "dbb"; there is no such service. Did you mean "db"?',
  ]);
  const broken = makeApp(t, {
    "newel.config.json": '{ "include": "b.mjs", "services": {} }',
    "b.mjs": "\nexport default {",
  });
  assert.match((await loadError(broken)).message, /^b\.mjs:2 {2}/);
});
