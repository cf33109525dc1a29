import assert from "node:assert/strict";
import { test } from "node:test";

import { backoffMs } from "../../src/base/backoff.ts";
import { homeAt, findHome, makeHome } from "../../src/base/home.ts";
import { nextState } from "../../src/base/machine.ts";
import { checkName, closest, matches, toFileName } from "../../src/base/names.ts";
import { sleep, within } from "../../src/base/timers.ts";
import { durationMs, formatDuration, formatSize, sizeBytes } from "../../src/base/units.ts";
import { temporaryDirectory } from "../helpers/resources.ts";
import { chmodSync } from "node:fs";

test("durations and sizes are read with their units, and other texts are refused", () => {
  assert.deepEqual(
    ["500ms", "10s", "2m", "1h", "3d", "1.5s"].map((text) => durationMs(text)),
    [500, 10_000, 120_000, 3_600_000, 259_200_000, 1_500],
  );
  assert.deepEqual(
    ["64kB", "512MB", "1GB", "64KiB", "7B"].map((text) => sizeBytes(text)),
    [64_000, 512_000_000, 1_000_000_000, 65_536, 7],
  );
  for (const text of ["", "10", "10 s", "s", "-1s", "1e3s", "10sec", "99999999999999999d"]) {
    assert.throws(
      () => durationMs(text, "stop.grace"),
      { code: "NEWEL_E_DURATION", message: /stop\.grace is/ },
      text,
    );
  }
  for (const text of ["", "1", "1mb", "1 MB", "-1MB"])
    assert.throws(() => sizeBytes(text), { code: "NEWEL_E_SIZE" }, text);
});

test("durations and sizes are formatted for people", () => {
  assert.deepEqual([0, 350, 12_000, 540_000, 3_600_000, 273_600_000].map(formatDuration), [
    "0ms",
    "350ms",
    "12s",
    "9m",
    "1h",
    "3d4h",
  ]);
  assert.deepEqual([12, 64_000, 141_000_000, 1_250_000_000].map(formatSize), [
    "12B",
    "64kB",
    "141MB",
    "1.3GB",
  ]);
});

test("a name has no space and no pattern in it, and is safe as a file name", () => {
  for (const name of ["", "a b", "a\nb", "-x", "{x", "web*", "x".repeat(201)]) {
    assert.throws(() => checkName(name), { code: "NEWEL_E_NAME" }, JSON.stringify(name));
  }
  assert.equal(checkName("shop/web.1"), "shop/web.1");
  assert.equal(toFileName("../etc/passwd"), "%2E.%2Fetc%2Fpasswd");
  assert.equal(toFileName("ä"), "%C3%A4");
  assert.equal(new Set(["a/b", "a%2Fb", "a_b"].map(toFileName)).size, 3);
});

test("patterns are names or prefixes, and a mistyped word gets its closest match", () => {
  assert.ok(
    matches("web*", "web.1") &&
      matches("*", "x") &&
      matches("web", "web") &&
      !matches("web", "web.1"),
  );
  assert.equal(closest("relaod", ["reload", "restart"]), "reload");
  assert.equal(closest("wbe", ["web", "clock"]), "web");
  assert.equal(closest("zzz", ["reload", "restart"]), undefined);
});

test("backoff grows to its bound and is spread by the jitter", () => {
  const backoff = { minMs: 100, maxMs: 1_000, jitter: 0.5 };
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((failures) => backoffMs(backoff, failures, () => 0.5)),
    [100, 200, 400, 800, 1_000],
  );
  assert.equal(
    backoffMs(backoff, 1, () => 0),
    50,
  );
  assert.equal(
    backoffMs(backoff, 1, () => 1),
    150,
  );
});

test("a state machine allows exactly the transitions of its table", () => {
  const table = { off: { push: "on" }, on: { push: "off" }, broken: {} } as const;
  assert.equal(nextState<"off" | "on" | "broken", "push">(table, "off", "push"), "on");
  assert.equal(nextState<"off" | "on" | "broken", "push">(table, "broken", "push"), undefined);
});

test("the home is the directory of NEWEL_HOME, and a home that is too long or open to others is refused", (t) => {
  assert.equal(findHome({ NEWEL_HOME: "/tmp/n" }).directory, "/tmp/n");
  assert.throws(() => homeAt(`/${"x".repeat(120)}`), {
    code: "NEWEL_E_HOME_PATH",
    message: /1\d\d bytes long; Unix allows 107/,
  });
  const directory = temporaryDirectory(t);
  makeHome(homeAt(directory));
  chmodSync(directory, 0o755);
  assert.throws(() => makeHome(homeAt(directory)), {
    code: "NEWEL_E_HOME_ACCESS",
    message: /mode is 755/,
  });
});

test("a sleep ends when it is aborted, and a deadline error names the work", async () => {
  const controller = new AbortController();
  const slept = sleep(60_000, controller.signal);
  controller.abort();
  await slept;
  await assert.rejects(within(new Promise(() => {}), 10, "The work"), {
    code: "NEWEL_E_DEADLINE",
    message: "The work did not finish within 10 ms.",
  });
});
