import assert from "node:assert/strict";
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { changedKeys, describeChanges } from "../../../src/supervisor/config/changes.ts";
import { processEnvironment } from "../../../src/supervisor/config/environment.ts";
import { findProgram } from "../../../src/supervisor/config/programs.ts";
import type { ResolvedConfig, ResolvedService } from "../../../src/supervisor/config/resolved.ts";
import { admit, keepCaller, pendingChanges } from "../../../src/supervisor/config/running.ts";
import { hasCode } from "../../../src/base/errors.ts";
import { load, makeApp, serviceOf } from "./app.ts";

/** Puts an empty program into a directory. */
function makeProgram(directory: string, name: string): string {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, name);
  writeFileSync(file, "#!/bin/sh\n");
  chmodSync(file, 0o755);
  return file;
}

const CONFIG = JSON.stringify({
  name: "app",
  services: {
    node: { node: "server.ts" },
    list: { run: ["tool", "-x"] },
    text: { run: "tool -x" },
    passes: { run: "x", passEnv: ["TOKEN"] },
  },
});

const SHELL: NodeJS.ProcessEnv = {
  PATH: "/usr/bin:/bin",
  HOME: "/home/me",
  LANG: "C.UTF-8",
  USER: "me",
  NODE_ENV: "production",
  TOKEN: "1",
};

const changesOf = (config: ResolvedConfig, running: ResolvedConfig): Record<string, string[]> =>
  Object.fromEntries(
    config.services.map((service) => [
      service.name,
      describeChanges(serviceOf(running, service.name), service),
    ]),
  );

const NOTHING = { node: [], list: [], text: [], passes: [] };

const programOf = ({ command }: ResolvedService): string | undefined =>
  command.kind === "exec" ? command.program : undefined;

/** The same `newel up`, called in another way: [how, the environment of that call]. */
const CALLS: readonly (readonly [string, (directory: string) => NodeJS.ProcessEnv])[] = [
  ["a shell with more directories in PATH", () => ({ ...SHELL, PATH: `/opt/x:${SHELL["PATH"]}` })],
  ["cron", () => ({ PATH: "/bin", HOME: "/root", LOGNAME: "root", SHELL: "/bin/sh", TOKEN: "1" })],
  ["ssh with another locale", () => ({ ...SHELL, LANG: "de_DE.UTF-8", LC_ALL: "C", TZ: "UTC" })],
  ["sudo -u", () => ({ ...SHELL, USER: "shop", LOGNAME: "shop", HOME: "/home/shop" })],
  ["an empty environment", () => ({ TOKEN: "1" })],
  [
    "npm run",
    (directory) => ({
      ...SHELL,
      PATH: `${directory}/node_modules/.bin:/node_modules/.bin:/usr/lib/npm/node-gyp-bin:/usr/bin:/bin`,
      npm_command: "run",
      npm_package_json: `${directory}/package.json`,
      INIT_CWD: directory,
    }),
  ],
  [
    "npx",
    () => ({
      ...SHELL,
      PATH: "/home/me/.npm/_npx/0123abcd/node_modules/.bin:/usr/bin:/bin",
      npm_command: "exec",
    }),
  ],
];

for (const [how, environmentOf] of CALLS) {
  test(`called by ${how}, the configuration is the one that runs`, async (t) => {
    const directory = makeApp(t, { "newel.config.json": CONFIG, "sub/x": "" });
    const opt = join(directory, "opt");
    const tool = makeProgram(opt, "tool");
    makeProgram(join(directory, "node_modules/.bin"), "other");
    const environment = { ...SHELL, PATH: `${opt}:${SHELL["PATH"]}` };
    const running = await load(directory, { environment });
    assert.equal(programOf(serviceOf(running, "list")), tool);
    const called = environmentOf(directory);
    const cwd = join(directory, "sub");
    const config = keepCaller(await load(cwd, { environment: called }), running);
    assert.deepEqual(changesOf(config, running), NOTHING);
    for (const service of config.services) {
      const former = serviceOf(running, service.name);
      assert.equal(service.hash, former.hash);
      assert.deepEqual(processEnvironment(service), processEnvironment(former));
    }
    // The next call is compared with the kept settings.
    const again = keepCaller(await load(directory, { environment }), config);
    assert.deepEqual(changesOf(again, config), NOTHING);
  });
}

test("variables of passEnv are compared, and so are the programs", async (t) => {
  const directory = makeApp(t, { "newel.config.json": CONFIG });
  const [one, two] = ["one", "two"].map((name) => makeProgram(join(directory, name), "tool"));
  const call = (name: string, more: NodeJS.ProcessEnv = {}): Promise<ResolvedConfig> =>
    load(directory, {
      environment: { ...SHELL, PATH: `${directory}/${name}:/usr/bin:/bin`, ...more },
    });
  const running = await call("one");
  const config = keepCaller(await call("two", { TOKEN: "2" }), running);
  assert.deepEqual(changesOf(config, running), {
    ...NOTHING,
    list: [`the program of run changed: ${one} → ${two}`],
    passes: ["env.TOKEN changed"],
  });
  assert.notEqual(serviceOf(config, "list").hash, serviceOf(running, "list").hash);
  assert.equal(serviceOf(config, "text").hash, serviceOf(running, "text").hash);
});

test("a program that a short PATH has in a later directory, or by a link, is the one that runs while it exists", async (t) => {
  const directory = makeApp(t, {
    "newel.config.json": JSON.stringify({
      name: "app",
      services: {
        list: { run: ["tool", "-x"] },
        node: { node: "server.ts", nodePath: "tool" },
        own: { run: ["tool"], env: { PATH: join("/", "nowhere") } },
      },
    }),
    "server.ts": "",
  });
  const [first, later] = ["first", "later"].map((name) => join(directory, name));
  assert.ok(first !== undefined && later !== undefined);
  const tool = makeProgram(first, "tool");
  makeProgram(later, "tool");
  symlinkSync(first, join(directory, "link"));
  const call = async (...path: string[]): Promise<ResolvedConfig> =>
    load(directory, { environment: { ...SHELL, PATH: [...path, "/usr/bin"].join(":") } });
  const running = await call(first, later);
  const same = { list: [], node: [], own: [] };
  for (const path of [[later], [], [join(directory, "link")], [later, first]]) {
    const config = keepCaller(await call(...path), running);
    assert.deepEqual(changesOf(config, running), same, path.join(":"));
    assert.equal(programOf(serviceOf(config, "list")), tool);
  }
  const earlier = await call(later, first);
  const installed = keepCaller(await call(first), earlier);
  assert.deepEqual(changesOf(installed, earlier), same);
  rmSync(tool);
  const replaced = keepCaller(await call(later), running);
  const paths = `${tool} → ${join(later, "tool")}`;
  assert.deepEqual(changesOf(replaced, running), {
    list: [`the program of run changed: ${paths}`],
    node: [`the Node.js changed: ${paths}`],
    own: [],
  });
});

test("a new service of a running app gets the shell of the others; PATH that is passed is compared", async (t) => {
  const directory = makeApp(t, { "newel.config.json": CONFIG });
  const running = await load(directory, { environment: SHELL });
  const more = JSON.stringify({ name: "app", services: { new: { run: "x" } } });
  writeFileSync(join(directory, "newel.config.json"), more);
  const environment = { ...SHELL, PATH: "/opt", LANG: "de" };
  const config = keepCaller(await load(directory, { environment }), running);
  assert.deepEqual(serviceOf(config, "new").base, serviceOf(running, "text").base);
  const passing = JSON.stringify({ services: { a: { run: "x", passEnv: ["PATH"] } } });
  writeFileSync(join(directory, "newel.config.json"), passing);
  const before = serviceOf(await load(directory, { environment: SHELL }), "a");
  const after = serviceOf(await load(directory, { environment }), "a");
  assert.deepEqual(changedKeys(before, after), ["env.PATH"]);
});

test("programs of node_modules/.bin are found from any shell, the nearest first", async (t) => {
  const directory = makeApp(t, { "app/newel.config.json": CONFIG, "app/server.ts": "" });
  const outer = makeProgram(join(directory, "node_modules/.bin"), "tool");
  const app = join(directory, "app");
  const path = (): Promise<ResolvedConfig> => load(app, { environment: SHELL });
  const far = serviceOf(await path(), "list");
  assert.equal(programOf(far), outer);
  const inner = makeProgram(join(app, "node_modules/.bin"), "tool");
  const near = serviceOf(await path(), "list");
  assert.equal(programOf(near), inner);
  const found = processEnvironment(near)["PATH"]?.split(":") ?? [];
  assert.deepEqual(found.slice(0, 2), [
    join(app, "node_modules/.bin"),
    join(directory, "node_modules/.bin"),
  ]);
  assert.deepEqual(found.slice(-2), ["/usr/bin", "/bin"]);
  const own = { ...near, env: { PATH: "/only" } };
  assert.equal(processEnvironment(own)["PATH"], "/only");
});

test("a program that a short PATH lacks is kept, but not one of another directory's node_modules", async (t) => {
  const directory = makeApp(t, {
    "1/newel.config.json": CONFIG,
    "1/server.ts": "",
    "2/newel.config.json": CONFIG,
    "2/server.ts": "",
  });
  makeProgram(join(directory, "1/node_modules/.bin"), "tool");
  const running = await load(join(directory, "1"), { environment: SHELL });
  const config = keepCaller(await load(join(directory, "2"), { environment: SHELL }), running);
  assert.equal(programOf(serviceOf(config, "list")), undefined);
});

test("a program is searched as execvp(3) does", (t) => {
  const directory = makeApp(t, { "file/tool": "not executable", "dir/tool/x": "" });
  const tool = makeProgram(join(directory, "bin"), "tool");
  const path = ["file", "dir", "none", "server.ts", "bin"].map((each) => join(directory, each));
  assert.equal(findProgram("tool", path.join(":"), directory), tool);
  assert.equal(findProgram("tool", "none:bin", directory), tool);
  for (const name of ["", "./tool", "/bin/sh", "nothing"])
    assert.equal(findProgram(name, path.join(":"), directory), undefined);
});

/** A configuration in a directory of the test's own: its services by name, and the app's name, if it is written. */
async function configure(
  root: string,
  directory: string,
  services: readonly string[],
  name?: string,
): Promise<ResolvedConfig> {
  const cwd = join(root, directory);
  mkdirSync(cwd, { recursive: true });
  const config = {
    ...(name === undefined ? {} : { name }),
    services: Object.fromEntries(services.map((each) => [each, { run: "x" }])),
  };
  writeFileSync(join(cwd, "newel.config.json"), JSON.stringify(config));
  return load(cwd);
}

const KEEP = { move: false, isThere: () => true };

test("a name that comes from the directory is not taken over from another file", async (t) => {
  const root = makeApp(t, {});
  for (const running of [
    await configure(root, "x/api", ["web"]),
    await configure(root, "z", ["web"], "api"),
  ]) {
    const given = await configure(root, "y/api", ["web"]);
    for (const move of [false, true])
      assert.throws(
        () => admit(given, running, { ...KEEP, move }),
        (error) => hasCode(error, "NEWEL_E_APP_NAME_TAKEN"),
      );
    assert.equal(admit(given, given, KEEP).move, undefined);
    assert.equal(admit(given, undefined, KEEP).move, undefined);
  }
});

test("a file that was renamed in its directory keeps the app", async (t) => {
  const root = makeApp(t, {});
  const running = await configure(root, "api", ["web"]);
  renameSync(running.file, join(root, "api/newel.config.js"));
  writeFileSync(
    join(root, "api/newel.config.js"),
    "export default { services: { web: { run: 'x' } } };",
  );
  const given = await load(join(root, "api"));
  assert.deepEqual(admit(given, running, { move: false, isThere: () => false }).move, {
    from: running.file,
    to: given.file,
  });
  assert.throws(
    () => admit(given, running, KEEP),
    (error) => hasCode(error, "NEWEL_E_APP_NAME_TAKEN"),
  );
});

test("a name that is written moves to another file that has a service in common, or with --move", async (t) => {
  const root = makeApp(t, {});
  const running = await configure(root, "releases/1", ["web", "old"], "site");
  const next = await configure(root, "releases/2", ["web", "new"], "site");
  assert.deepEqual(admit(next, running, KEEP).move, { from: running.file, to: next.file });
  const other = await configure(root, "other", ["shop"], "site");
  assert.throws(
    () => admit(other, running, KEEP),
    (error) => hasCode(error, "NEWEL_E_APP_UNRELATED"),
  );
  const moved = admit(other, running, { ...KEEP, move: true });
  assert.deepEqual(moved.move, { from: running.file, to: other.file });
});

test("changes that do not run yet are listed, without those of the shell and of scale", async (t) => {
  const root = makeApp(t, {});
  const running = await configure(root, "a", ["web", "gone"], "app");
  const services = { web: { run: "x", replicas: 3, env: { A: "hush" } }, new: { run: "x" } };
  writeFileSync(running.file, JSON.stringify({ name: "app", services }));
  const given = await load(join(root, "a"), { environment: { ...SHELL, LANG: "de" } });
  assert.deepEqual(pendingChanges(given, running), [
    "web: env.A changed",
    "new: new",
    "gone: not in the configuration any more",
  ]);
  assert.deepEqual(pendingChanges(running, running), []);
});
