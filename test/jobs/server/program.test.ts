import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { hasCode } from "../../../src/base/errors.ts";
import { readSettings } from "../../../src/jobs/server/settings.ts";
import {
  cleanUp,
  eventually,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../../helpers/resources.ts";
import { sendSignal } from "../../helpers/signals.ts";
import { ended, fixture, makeWorld, runs, type World } from "./world.ts";

const PROGRAM = fileURLToPath(new URL("../../../src/cli/main.ts", import.meta.url));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function newel(scope: Scope, world: World, ...words: string[]): Promise<Ran> {
  const args = [PROGRAM, "jobs", "server", ...words];
  const child: ChildProcess = startProcess(scope, process.execPath, args, { cwd: world.directory });
  const [out, err] = await Promise.all([text(child.stdout!), text(child.stderr!)]);
  if (child.exitCode === null) await once(child, "exit");
  return { code: child.exitCode, out, err };
}

test("--start, --status, --restart and --stop, with a pidfile", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  const pidfile = join(world.directory, "jobs.pid");
  const where = ["--pidfile", "jobs.pid"];
  const what = ["--modules", fixture("jobs"), "--store", world.store, "--processes", "1"];
  const pidNow = (): number => Number(readFileSync(pidfile, "utf8"));
  cleanUp(scope, () => {
    if (existsSync(pidfile)) sendSignal(pidNow(), "SIGKILL");
  });

  assert.equal((await newel(scope, world, "--status", ...where)).code, 3);
  const started = await newel(scope, world, "--start", ...where, ...what, "--log", "jobs.log");
  const first = pidNow();
  assert.deepEqual([started.code, started.out], [0, ""]);
  assert.ok(started.err.startsWith(`The job server runs (pid ${first}).\nIts log: jobs.log\n`));
  const { was } = (await ended(queue, await queue.add("plain", 1))).returnvalue as { was: unknown };
  assert.equal(was, 1);
  assert.match((await newel(scope, world, "--status", ...where)).out, new RegExp(`pid ${first}`));
  const again = await newel(scope, world, "--start", ...where, ...what);
  assert.equal(again.code, 1);
  assert.match(again.err, /NEWEL_E_BUS_PIDFILE/);

  assert.equal((await newel(scope, world, "--restart", ...where, ...what)).code, 0);
  assert.notEqual(pidNow(), first);
  await eventually(() => !runs(first), "the former server has ended");
  const second = pidNow();
  const waiting = await queue.add("waiting", 60_000);
  await eventually(() => world.notes().length === 1, "a job runs");
  assert.equal((await newel(scope, world, "--stop", ...where)).code, 0);
  await eventually(() => !runs(second), "the server has ended");
  assert.equal(existsSync(pidfile), false);
  assert.equal(await (await queue.getJob(waiting.id ?? ""))?.getState(), "waiting");
  assert.equal((await newel(scope, world, "--stop", ...where)).code, 3);
  assert.match(readFileSync(join(world.directory, "jobs.log"), "utf8"), /The job server runs/);
});

test("a module that cannot be loaded is named, and nothing runs", async (scope) => {
  const world = makeWorld(scope);
  writeFileSync(join(world.directory, "broken.mjs"), "throw new Error('not today');");
  const { code, err } = await newel(
    scope,
    world,
    "--modules",
    "broken.mjs",
    "--store",
    world.store,
  );
  assert.equal(code, 1);
  assert.match(err, /NEWEL_E_JOBS_MODULE/);
  assert.match(err, /broken\.mjs.*not today/s);
  const daemon = await newel(
    scope,
    world,
    "--start",
    "--pidfile",
    "p",
    "--modules",
    "broken.mjs",
    "--store",
    world.store,
  );
  assert.notEqual(daemon.code, 0);
  assert.match(daemon.err, /not today/);
});

test("a path that cannot be used is named with its reason, in front and in the background", async (scope) => {
  const world = makeWorld(scope);
  const what = ["--modules", fixture("jobs"), "--store", world.store, "--processes", "1"];
  const missing = join(world.directory, "run");
  writeFileSync(join(world.directory, "a-file"), "");
  const inTheWay = `${join(world.directory, "a-file")} is not a directory`;
  for (const [words, named] of [
    [["--pidfile", "run/app/jobs.pid"], `the directory ${missing} is missing`],
    [["--start", "--pidfile", "run/jobs.pid"], `the directory ${missing} is missing`],
    [
      ["--start", "--pidfile", "."],
      `The pidfile ${world.directory} cannot be used: it is a directory`,
    ],
    [["--status", "--pidfile", "a-file/a.pid"], inTheWay],
    [
      ["--start", "--pidfile", "jobs.pid", "--log", "run/jobs.log"],
      `The log file ${missing}/jobs.log`,
    ],
  ] as const) {
    const ran = await newel(scope, world, ...words, ...(words[0] === "--status" ? [] : what));
    assert.notEqual(ran.code, 0, words.join(" "));
    assert.ok(ran.err.includes("NEWEL_E_BUS_FILE") && ran.err.includes(named), ran.err);
    assert.doesNotMatch(ran.out, /The job server runs/);
  }
  const store = `sqlite:${join(world.directory, "a-file/jobs.db")}`;
  const ran = await newel(scope, world, "--modules", fixture("jobs"), "--store", store);
  assert.match(ran.err, /NEWEL_E_JOBS_FILE/);
  assert.ok(ran.err.includes(join(world.directory, "a-file/jobs.db")), ran.err);
  assert.ok(!existsSync(missing));
});

test("modules that define no job are refused, by their names", async (scope) => {
  const world = makeWorld(scope);
  writeFileSync(join(world.directory, "empty.mjs"), "export const nothing = 1;");
  const words = ["--modules", "empty.mjs", "--store", world.store];
  const { code, err } = await newel(scope, world, ...words);
  assert.notEqual(code, 0);
  assert.ok(
    err.includes("NEWEL_E_JOBS_NONE") && err.includes(join(world.directory, "empty.mjs")),
    err,
  );
});

test("the default store is that of the configuration, or of the project, and is named", async (scope) => {
  const world = makeWorld(scope);
  const { directory } = world;
  const named = async (): Promise<string> => {
    const started = await newel(
      scope,
      world,
      "--start",
      "--pidfile",
      "jobs.pid",
      "--modules",
      fixture("jobs"),
      "--processes",
      "1",
    );
    assert.equal(started.code, 0, started.err);
    await newel(scope, world, "--stop", "--pidfile", "jobs.pid");
    return /^Its jobs: (.*)$/m.exec(started.err)?.[1] ?? started.err;
  };
  writeFileSync(join(directory, "package.json"), "{}");
  assert.equal(await named(), `sqlite:${directory}/data/jobs.db`);
  const jobs = { modules: fixture("jobs"), store: "sqlite:./kept/j.db" };
  const config = { name: "app", services: {}, jobs };
  writeFileSync(join(directory, "newel.config.json"), JSON.stringify(config));
  assert.equal(await named(), `sqlite:${directory}/kept/j.db`);
});

test("a setting that is missing or wrong is named", (scope) => {
  const directory = temporaryDirectory(scope);
  writeFileSync(join(directory, "a.ts"), "");
  writeFileSync(join(directory, "b.ts"), "");
  writeFileSync(join(directory, "key"), "secret\n");
  writeFileSync(join(directory, "empty"), "\n");
  const modules = ["*.ts"];
  for (const [setting, given] of [
    ["modules", {}],
    ["modules", { modules: ["*.js"] }],
    ["processes", { modules, processes: "0" }],
    ["processes", { modules, processes: "many" }],
    ["grace", { modules, grace: "20" }],
    ["host", { modules, port: "7000", authkeyFile: "key" }],
    ["port", { modules, host: "", authkeyFile: "key" }],
    ["port", { modules, host: "", port: "0", authkeyFile: "key" }],
    ["auth key", { modules, host: "", port: "7000" }],
    ["auth key", { modules, host: "", port: "7000", authkeyFile: "nowhere" }],
    ["auth key", { modules, host: "", port: "7000", authkeyFile: "empty" }],
  ] as const)
    assert.throws(
      () => readSettings(given, directory),
      (error: Error) =>
        hasCode(error, "NEWEL_E_JOBS_SETTING") && error.message.includes(`setting "${setting}" `),
      JSON.stringify(given),
    );
  const read = readSettings({ modules, host: " ", port: "7000", authkeyFile: "key" }, directory);
  assert.deepEqual(read.modules, [join(directory, "a.ts"), join(directory, "b.ts")]);
  assert.deepEqual(read.listen, { host: "127.0.0.1", port: 7000, authKey: "secret" });
  assert.equal(readSettings({ modules, processes: 10 }, directory).processes, 10);
});
