import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";

import { followFile } from "../../src/cli/follow-file.ts";
import { homeAt } from "../../src/base/home.ts";
import { runCommand } from "../../src/deploy/command.ts";
import { type Layout, layoutOf } from "../../src/deploy/layout.ts";
import { makeLive, settleLive } from "../../src/deploy/live.ts";
import { fetched, prepareRelease, removeAbandoned } from "../../src/deploy/prepare.ts";
import { pruneReleases, releasesToPrune } from "../../src/deploy/prune.ts";
import {
  readRelease,
  readReleases,
  type Release,
  type ReleaseState,
  writeRelease,
} from "../../src/deploy/records.ts";
import { linkAssets, linkShared } from "../../src/deploy/shared.ts";
import { readUndoNote, removeUndoNote, writeUndoNote } from "../../src/deploy/undo-note.ts";
import { findSource } from "../../src/deploy/source.ts";
import { baselineOf, failuresSince, troubleOf } from "../../src/deploy/verify.ts";
import type { MetricFamily, ServiceView } from "../../src/supervisor/api.ts";
import { eventually, isAlive, type Scope, temporaryDirectory } from "../helpers/resources.ts";

function layoutFor(scope: Scope): Layout {
  const layout = layoutOf(homeAt(temporaryDirectory(scope)), "shop");
  mkdirSync(layout.releases, { recursive: true });
  mkdirSync(layout.shared, { recursive: true });
  return layout;
}

function release(number: number, state: ReleaseState, liveMs?: number): Release {
  return {
    number,
    app: "shop",
    state,
    step: "verify",
    source: "git HEAD",
    file: `/releases/${number}/shop/newel.config.ts`,
    beganMs: number,
    by: "me",
    ...(liveMs === undefined ? {} : { liveMs }),
  };
}

test("a release comes back from its record as it was written, and an unreadable record is none", (t) => {
  const layout = layoutFor(t);
  const first: Release = {
    ...release(1, "live", 5),
    commit: "abc",
    bytes: 3,
    changedEnv: ["PORT"],
    assets: ["dist/a.js"],
    migrated: true,
    why: "text",
  };
  writeRelease(layout, first);
  writeRelease(layout, release(2, "failed"));
  assert.deepEqual(readRelease(layout, 1), first);
  assert.deepEqual(
    readReleases(layout).map(({ number }) => number),
    [1, 2],
  );
  for (const text of ["", "{", "[]", '{"number":"2"}']) {
    writeFileSync(join(layout.releases, "2.json"), text);
    assert.equal(readRelease(layout, 2), undefined);
  }
  assert.deepEqual(readdirSync(layout.releases).sort(), ["1.json", "2.json"]);
});

test("the live release, the one before it and a running deploy are never pruned", (t) => {
  const all = [
    release(1, "former", 10),
    release(2, "failed"),
    release(3, "former", 30),
    release(4, "former", 20),
    release(5, "live", 40),
    release(6, "interrupted"),
    release(7, "deploying"),
  ];
  const numbers = (keep: number): number[] =>
    releasesToPrune(all, keep).map(({ number }) => number);
  assert.deepEqual(numbers(7), []);
  assert.deepEqual(numbers(6), [1]);
  assert.deepEqual(numbers(4), [1, 2, 4]);
  assert.deepEqual(numbers(2), [1, 2, 4, 6]);

  const layout = layoutFor(t);
  for (const each of all) {
    writeRelease(layout, each);
    mkdirSync(join(layout.releases, String(each.number), "shop"), { recursive: true });
    writeFileSync(join(layout.releases, `${each.number}.log`), "");
  }
  pruneReleases(layout, 3);
  assert.deepEqual(readdirSync(layout.releases).sort(), [
    "3",
    "3.json",
    "3.log",
    "5",
    "5.json",
    "5.log",
    "7",
    "7.json",
    "7.log",
  ]);
});

test("the order of live releases does not follow a wall clock that is set back", (t) => {
  const layout = layoutFor(t);
  const make = (number: number): void => {
    mkdirSync(join(layout.releases, String(number), "shop"), { recursive: true });
    makeLive(layout, release(number, "deploying"));
  };
  make(1);
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() - 3_600_000 });
  make(2);
  make(3);
  const times = readReleases(layout).map(({ liveMs = 0 }) => liveMs);
  assert.deepEqual(
    times.toSorted((a, b) => a - b),
    times,
  );
  assert.deepEqual(
    readReleases(layout).map(({ state }) => state),
    ["former", "former", "live"],
  );
  // A crash between the two records leaves two live releases: the later one is.
  writeRelease(layout, { ...release(2, "live"), liveMs: times[1] });
  rmSync(layout.current);
  settleLive(layout);
  assert.deepEqual(
    readReleases(layout).map(({ state }) => state),
    ["former", "former", "live"],
  );
  assert.equal(readlinkSync(layout.current), "/releases/3/shop");
});

test("a release is removed whose fetching process was killed, and one that is being fetched stays", async (t) => {
  const layout = layoutFor(t);
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, "newel.config.json"), "{}");
  const source = { kind: "directory", directory } as const;
  const prepared = await prepareRelease(layout, source, { app: "shop", below: "" });
  const names = (): string[] => readdirSync(layout.releases).sort();
  removeAbandoned(layout);
  assert.deepEqual(names(), ["1", "1.fetch", "1.json"]);
  fetched(layout, prepared);
  // The process of this one has ended: no process has these ticks.
  mkdirSync(join(layout.releases, "2"));
  writeFileSync(join(layout.releases, "2.fetch"), `${process.pid} 1`);
  removeAbandoned(layout);
  assert.deepEqual(names(), ["1", "1.json"]);
  removeAbandoned(layout);
  assert.deepEqual(names(), ["1", "1.json"]);
});

test("the state before a deploy is kept in a private file, and half a file is none", (t) => {
  const layout = layoutFor(t);
  const note = { before: null, environment: { A: "1" } };
  writeUndoNote(layout, 3, note);
  assert.deepEqual(readUndoNote(layout, 3), note);
  assert.equal(statSync(join(layout.releases, "3.undo")).mode & 0o777, 0o600);
  writeFileSync(join(layout.releases, "3.undo"), '{"before":');
  assert.equal(readUndoNote(layout, 3), undefined);
  removeUndoNote(layout, 3);
  assert.deepEqual(readdirSync(layout.releases), []);
});

test("a growing file is printed in whole lines, and its rest at the end", async (t) => {
  const path = join(temporaryDirectory(t), "log");
  const printed: string[] = [];
  const end = Promise.withResolvers<void>();
  const following = followFile(path, {
    from: 0,
    until: end.promise,
    signal: new AbortController().signal,
    print: (text) => void printed.push(text),
  });
  const bytes = Buffer.from("café\nzwei");
  writeFileSync(path, bytes.subarray(0, 4));
  await new Promise((resolve) => setTimeout(resolve, 120));
  appendFileSync(path, bytes.subarray(4));
  end.resolve();
  await following;
  assert.deepEqual(printed, ["café\n", "zwei"]);
});

test("shared paths are taken from the first release that has them, and linked into every release", (t) => {
  const layout = layoutFor(t);
  const make = (number: number, files: Readonly<Record<string, string>>): string => {
    const directory = join(layout.releases, String(number), "shop");
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(directory, name, ".."), { recursive: true });
      writeFileSync(join(directory, name), text);
    }
    linkShared(layout, directory, ["data", "public/uploads", ".env", "app.log"]);
    return directory;
  };
  const first = make(1, { "data/seed": "1", ".env": "A=1", "server.js": "" });
  writeFileSync(join(first, "data/more"), "2");
  writeFileSync(join(first, "public/uploads/picture"), "3");
  writeFileSync(join(first, "app.log"), "4");
  const second = make(2, { "data/seed": "other", ".env": "A=2", "server.js": "" });
  assert.deepEqual(readdirSync(join(second, "data")).sort(), ["more", "seed"]);
  assert.equal(readFileSync(join(second, "data/seed"), "utf8"), "1");
  assert.equal(readFileSync(join(second, "public/uploads/picture"), "utf8"), "3");
  assert.equal(readFileSync(join(second, ".env"), "utf8"), "A=1");
  assert.equal(readFileSync(join(second, "app.log"), "utf8"), "4");
  assert.equal(readlinkSync(join(second, "data")), join(layout.shared, "data"));
  assert.ok(lstatSync(join(second, "server.js")).isFile());
  rmSync(join(layout.releases, "1"), { recursive: true });
  assert.equal(readFileSync(join(second, "data/more"), "utf8"), "2");
});

test("asset files of earlier releases are added as hard links, and none of the release is replaced", (t) => {
  const [older, newer, directory] = [1, 2, 3].map(() => temporaryDirectory(t)) as [
    string,
    string,
    string,
  ];
  for (const [where, names] of [
    [older, ["a-1.js", "same.js"]],
    [newer, ["a-2.js", "same.js"]],
    [directory, ["a-3.js", "index.js"]],
  ] as const) {
    mkdirSync(join(where, "dist"));
    for (const name of names) writeFileSync(join(where, "dist", name), where);
  }
  linkAssets(directory, [
    { directory: newer, files: ["dist/a-2.js", "dist/same.js"] },
    { directory: older, files: ["dist/a-1.js", "dist/same.js", "dist/gone.js"] },
  ]);
  const names = readdirSync(join(directory, "dist")).sort();
  assert.deepEqual(names, ["a-1.js", "a-2.js", "a-3.js", "index.js", "same.js"]);
  assert.equal(readFileSync(join(directory, "dist/same.js"), "utf8"), newer);
  assert.equal(
    statSync(join(directory, "dist/a-1.js")).ino,
    statSync(join(older, "dist/a-1.js")).ino,
  );
});

test("a command is ended with its process group at its time limit, and when it is cancelled", async (t) => {
  const cwd = temporaryDirectory(t);
  const { signal } = new AbortController();
  const run = { cwd, environment: process.env, limitMs: 60_000, signal, print: () => undefined };
  const printed: string[] = [];
  const lines = await runCommand({
    ...run,
    line: "echo one; echo two >&2; exit 0",
    print: (text) => printed.push(text),
  });
  assert.deepEqual(lines.toSorted(), ["one", "two"]);
  assert.equal(printed.join("").length, 8);
  await assert.rejects(runCommand({ ...run, line: "exit 3" }), {
    code: "NEWEL_E_DEPLOY_COMMAND",
    message: "`exit 3` ended with exit code 3.",
  });
  await assert.rejects(runCommand({ ...run, line: "kill -9 $$" }), /was ended by SIGKILL/);
  await assert.rejects(
    runCommand({ ...run, line: "sleep 60 & sleep 60; touch late", limitMs: 300 }),
    /did not end within 300ms/,
  );
  // A process that a command leaves behind ends with it.
  const left = await runCommand({ ...run, line: "sleep 600 & echo $!" });
  await eventually(() => !isAlive(Number(left[0])), "it has ended");
  const cancel = new AbortController();
  setTimeout(() => cancel.abort(), 100);
  await assert.rejects(
    runCommand({ ...run, line: "sleep 60; touch late", signal: cancel.signal }),
    /was cancelled/,
  );
  assert.equal(existsSync(join(cwd, "late")), false);
});

test("a release is refused without space, without a configuration, and with an unreadable source", async (t) => {
  const layout = layoutFor(t);
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, "file"), "");
  const source = await findSource(directory, { cwd: directory, stdin: Readable.from([]) });
  const options = { app: "shop", below: "" };
  await assert.rejects(prepareRelease(layout, source, options), { code: "NEWEL_E_CONFIG_MISSING" });
  writeRelease(layout, { ...release(9, "former"), bytes: Number.MAX_SAFE_INTEGER / 4 });
  await assert.rejects(prepareRelease(layout, source, options), { code: "NEWEL_E_DEPLOY_DISK" });
  rmSync(join(layout.releases, "9.json"));
  const stream = { kind: "stdin", stream: Readable.from([Buffer.from("no tar at all")]) } as const;
  await assert.rejects(prepareRelease(layout, stream, options), { code: "NEWEL_E_DEPLOY_SOURCE" });
  assert.deepEqual(readdirSync(layout.releases), []);
  for (const word of ["no-such-ref", "--upload-pack=x"])
    await assert.rejects(findSource(word, { cwd: directory, stdin: Readable.from([]) }), {
      code: "NEWEL_E_DEPLOY_SOURCE",
    });
});

test("two deploys that begin at once get two numbers", async (t) => {
  const layout = layoutFor(t);
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, "newel.config.json"), "{}");
  const source = { kind: "directory", directory } as const;
  const options = { app: "shop", below: "" };
  const all = await Promise.all([1, 2, 3].map(() => prepareRelease(layout, source, options)));
  assert.deepEqual(
    all.map(({ number }) => number).sort((a, b) => a - b),
    [1, 2, 3],
  );
});

test("a release is not well while a service failed, restarted since the switch, or is not ready", () => {
  const service: ServiceView = {
    app: "shop",
    name: "web",
    wanted: "up",
    state: "running",
    ready: 2,
    replicas: 2,
    sinceMs: 0,
    restarts: 3,
    listen: [],
    processes: [],
  };
  const baseline = baselineOf([service]);
  assert.equal(troubleOf([service], baseline), undefined);
  const trouble = (change: Partial<ServiceView>): string | undefined =>
    troubleOf([{ ...service, ...change }], baseline);
  assert.match(trouble({ state: "failed", why: "no module" }) ?? "", /failed \(no module\)/);
  assert.match(trouble({ state: "backoff" }) ?? "", /backoff/);
  assert.match(trouble({ restarts: 4 }) ?? "", /was restarted/);
  assert.match(trouble({ ready: 1 }) ?? "", /only 1 of 2/);
  assert.equal(trouble({ wanted: "down", state: "stopped", ready: 0 }), undefined);
  assert.equal(trouble({ state: "completed", ready: 0 }), undefined);
});

test("error responses count from the switch on, and those of a new replica from its start", () => {
  const families = (counts: Readonly<Record<string, number>>): readonly MetricFamily[] => [
    {
      name: "newel_http_server_responses",
      type: "counter",
      help: "",
      samples: Object.entries(counts).flatMap(([replica, value]) => [
        { labels: { service_instance_id: replica, status_class: "5xx" }, value },
        { labels: { service_instance_id: replica, status_class: "2xx" }, value: 1_000 },
      ]),
    },
  ];
  const before = families({ "web.1": 3, "web.2": 1 });
  assert.equal(failuresSince(families({ "web.1": 3, "web.2": 1 }), before), 0);
  assert.equal(failuresSince(families({ "web.1": 5, "web.3": 4 }), before), 6);
  assert.equal(failuresSince(families({ "web.1": 0 }), before), 0);
});
