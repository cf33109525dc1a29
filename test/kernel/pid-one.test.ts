import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { homeAt } from "../../src/base/home.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import { eventually, startProcess, temporaryDirectory } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";

const CLI = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const NAMESPACE = ["--pid", "--fork", "--mount-proc", "--kill-child"];
const withoutNamespaces: string | false =
  process.getuid?.() !== 0
    ? "needs root to make a PID namespace: run `sudo npm test`"
    : spawnSync("unshare", [...NAMESPACE, "true"]).status === 0
      ? false
      : "this machine lets nobody make a PID namespace (unshare --pid)";

const ORPHANS = 20;
/** Each orphan is forked twice and leads its own session, so no relation to its process remains. */
const SCRIPT = `for n in $(seq ${ORPHANS}); do (setsid sleep 1.\${n} &) ; done; echo left`;

/** The processes whose parent is this one, each with its state. */
function childrenOf(parent: number): { readonly pid: number; readonly state: string }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = statOf(name);
      const [state = "", ppid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(ppid) === parent ? [{ pid: Number(name), state }] : [];
    });
}

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    // The process ended after the directory was read.
    return "";
  }
}

test(
  "as PID 1 the kernel reaps orphans and ends on SIGTERM",
  { skip: withoutNamespaces },
  async (t) => {
    const home = homeAt(temporaryDirectory(t));
    const unshare = startProcess(t, "unshare", [...NAMESPACE, process.execPath, CLI, "kernel"], {
      env: { ...process.env, NEWEL_HOME: home.directory },
      stdio: ["ignore", "ignore", "inherit"],
    });
    const ended = once(unshare, "exit");
    const pid = await eventually(
      () => childrenOf(unshare.pid ?? 0)[0]?.pid,
      "the kernel's process",
    );
    const kernel = await eventually(
      () => connectKernel({ home, autostart: false }).catch(() => undefined),
      "the kernel answers",
    );
    t.after(() => kernel.close());
    assert.equal((await kernel.status()).pid, 1);

    await kernel.processes.make({
      name: "forker",
      args: ["/bin/sh", "-c", SCRIPT],
      env: { PATH: process.env["PATH"] ?? "" },
    });
    await eventually(
      () => childrenOf(pid).filter(({ state }) => state !== "Z").length === ORPHANS,
      "every orphan is the kernel's",
    );
    await eventually(async () => (await kernel.processes.list("forker"))[0]?.closed, "its end");
    assert.deepEqual(
      (await kernel.processes.list("forker")).map(({ exitCode }) => exitCode),
      [0],
    );
    assert.deepEqual(await kernel.processes.tail("forker", 9), ["left"]);
    // A zombie would still be listed as a child.
    await eventually(() => childrenOf(pid).length === 0, "all are reaped");

    sendSignal(pid, "SIGTERM");
    assert.deepEqual(await ended, [0, null]);
  },
);
