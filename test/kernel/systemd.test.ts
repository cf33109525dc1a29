import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { loadCommand } from "../../src/cli/table.ts";
import { parseArguments } from "../../src/cli/arguments.ts";
import { headsOf, listenToNotify } from "../helpers/notify-socket.ts";
import { eventually, isAlive, startProcess, temporaryDirectory } from "../helpers/resources.ts";
import { startDaemon } from "./client/daemon.ts";

const UNITS = fileURLToPath(new URL("../../systemd", import.meta.url));
const CLI = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** The settings of a unit, section by section. */
function readUnit(name: string): Record<string, Record<string, string>> {
  const sections: Record<string, Record<string, string>> = {};
  let section: Record<string, string> = {};
  for (const line of readFileSync(join(UNITS, name), "utf8").split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const head = /^\[(\w+)\]$/.exec(line)?.[1];
    if (head === undefined) {
      const [key = "", ...value] = line.split("=");
      assert.match(key, /^[A-Z]\w+$/, line);
      assert.ok(!(key in section), `${key} stands twice`);
      section[key] = value.join("=");
    } else sections[head] = section = {};
  }
  return sections;
}

test("the units keep processes started by newel alive, and restart a dead daemon", () => {
  assert.deepEqual(readdirSync(UNITS).sort(), ["newel-kernel.service", "newel-supervisor.service"]);
  for (const name of ["kernel", "supervisor"]) {
    const { Unit, Service, Install } = readUnit(`newel-${name}.service`);
    assert.ok(Unit !== undefined && Service !== undefined && Install !== undefined);
    assert.equal(Service["Type"], "notify");
    assert.equal(Service["KillMode"], "process", "or systemd kills every process with the daemon");
    assert.equal(Service["OOMPolicy"], "continue", "or one process out of memory ends them all");
    assert.equal(Service["Restart"], "always");
    assert.equal(Unit["StartLimitIntervalSec"], "0", "or five deaths in a row are the last");
    assert.match(Service["WatchdogSec"] ?? "", /^\d+s$/);
    assert.equal(Service["TimeoutStartSec"], "infinity", "--wait may wait long");
    assert.equal(Service["TasksMax"], "infinity", "all services count as tasks of the daemon");
    assert.deepEqual(Install, { WantedBy: "default.target" });
  }
  const { Unit } = readUnit("newel-supervisor.service");
  assert.equal(Unit?.["After"], "newel-kernel.service");
  assert.ok(!["Requires", "BindsTo", "PartOf"].some((key) => Unit !== undefined && key in Unit));
});

test("the commands that the units start are valid for the command line", async () => {
  for (const name of ["kernel", "supervisor"]) {
    const { Service } = readUnit(`newel-${name}.service`);
    const [env, newel, verb = "", ...rest] = (Service?.["ExecStart"] ?? "").split(" ");
    assert.deepEqual([env, newel, verb], ["/usr/bin/env", "newel", name]);
    parseArguments(await loadCommand(verb), rest);
  }
});

const noAnalyze = spawnSync("systemd-analyze", ["--version"]).status !== 0;
test(
  "systemd reports no errors in the units",
  {
    skip: noAnalyze ? "there is no systemd-analyze here" : false,
  },
  (t) => {
    for (const name of readdirSync(UNITS)) {
      const { status, stderr } = spawnSync("systemd-analyze", ["verify", join(UNITS, name)], {
        encoding: "utf8",
        env: { ...process.env, SYSTEMD_UNIT_PATH: `${UNITS}:${temporaryDirectory(t)}:` },
      });
      const about = stderr.split("\n").filter((line) => line.includes("newel"));
      assert.deepEqual({ status, about }, { status: 0, about: [] });
    }
  },
);

for (const daemon of ["kernel", "supervisor"] as const) {
  test(`the ${daemon} notifies systemd when it serves, lives and ends`, async (t) => {
    const { home } = await startDaemon(t);
    // The kernel gets a separate home; the supervisor needs one with a kernel.
    const directory = daemon === "kernel" ? temporaryDirectory(t) : home.directory;
    const path = join(temporaryDirectory(t), "notify");
    const messages = listenToNotify(t, path);
    const child = startProcess(t, process.execPath, [CLI, daemon], {
      env: {
        ...process.env,
        NEWEL_HOME: directory,
        NOTIFY_SOCKET: path,
        WATCHDOG_USEC: "200000",
      },
      stdio: "ignore",
    });
    const said = (line: string): number =>
      headsOf(messages()).filter((head) => head === line).length;
    await eventually(() => said("READY=1") === 1, "READY");
    assert.ok(messages().some((message) => message.includes(`MAINPID=${child.pid}\n`)));
    await eventually(() => said("WATCHDOG=1") >= 3, "the watchdog's pings");
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
    assert.equal(said("STOPPING=1"), 1);
    assert.ok(headsOf(messages()).indexOf("STOPPING=1") > headsOf(messages()).indexOf("READY=1"));
  });
}

test("with --wait a kernel takes its home when the previous one has ended", async (t) => {
  const { home, child: first } = await startDaemon(t);
  const env = { ...process.env, NEWEL_HOME: home.directory };
  const options = { env, stdio: ["ignore", "ignore", "pipe"] as const };
  const refused = startProcess(t, process.execPath, [CLI, "kernel"], {
    ...options,
    stdio: [...options.stdio],
  });
  assert.deepEqual(await once(refused, "exit"), [1, null]);
  const second = startProcess(t, process.execPath, [CLI, "kernel", "--wait"], {
    ...options,
    stdio: [...options.stdio],
  });
  const holder = (): number => Number(readFileSync(home.kernelLock, "utf8"));
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  assert.deepEqual([holder(), isAlive(second.pid ?? 0)], [first.pid, true]);
  first.kill("SIGKILL");
  await eventually(() => holder() === second.pid, "the second has the home");
});
