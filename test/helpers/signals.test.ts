import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

import { isAlive } from "./resources.ts";
import { sendSignal } from "./signals.ts";

test("a number that is not the pid of another process is refused before a signal is sent", () => {
  for (const pid of [0, -0, 1, -1, Number.NaN, Number(""), 1.5]) {
    assert.throws(() => sendSignal(pid, 0), { name: "RangeError" });
    assert.equal(isAlive(pid), false);
  }
});

test("a process and its group get the signal", async () => {
  for (const sign of [1, -1]) {
    const child = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
    await once(child, "spawn");
    assert.equal(isAlive(child.pid ?? 0), true);
    const ended = once(child, "exit");
    sendSignal(sign * (child.pid ?? 0), "SIGTERM");
    assert.deepEqual(await ended, [null, "SIGTERM"]);
  }
});
