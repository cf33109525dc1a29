import assert from "node:assert/strict";
import { test } from "node:test";

import { endingOf, endingText, faultOf } from "../../src/cli/why/endings.ts";
import { hintOf } from "../../src/cli/why/hints.ts";
import { killRecord } from "../../src/cli/why/out-of-memory.ts";

test("the end of a process: exit codes, signals, and signals that a shell reports", () => {
  assert.equal(endingText(endingOf(1)), "exit code 1");
  assert.equal(endingText(endingOf(-11)), "SIGSEGV (signal 11)");
  assert.equal(
    endingText(endingOf(139)),
    "exit code 139, by which a shell reports SIGSEGV (signal 11)",
  );
  assert.equal(endingText(endingOf(255)), "exit code 255");
  assert.equal(endingText(endingOf(null)), "an exit code that no newel daemon could learn");
  assert.match(faultOf(11) ?? "", /^it used memory/);
  assert.equal(faultOf(9), undefined);
});

test("the cause that the last lines name", () => {
  const cases: readonly (readonly [string, unknown])[] = [
    [
      "Error: listen EADDRINUSE: address already in use 127.0.0.1:3000",
      { kind: "port taken", port: 3000 },
    ],
    [
      "Error: listen EADDRINUSE: address already in use :::8080",
      { kind: "port taken", port: 8080 },
    ],
    ["OSError: [Errno 98] Address already in use", { kind: "port taken" }],
    ["Error: ENOSPC: no space left on device, write", { kind: "disk full" }],
    ["sh: 1: echo: echo: I/O error: No space left on device", { kind: "disk full" }],
    [
      "Error: Cannot find module '/srv/app/server.js'",
      { kind: "missing file", path: "/srv/app/server.js" },
    ],
    [
      "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'pg' imported from /srv/app/a.mjs",
      { kind: "missing file", path: "pg" },
    ],
    [
      "Error: ENOENT: no such file or directory, open '/etc/shop.json'",
      { kind: "missing file", path: "/etc/shop.json" },
    ],
    ["/bin/sh: 1: nosuch: not found", { kind: "missing file", path: "nosuch" }],
    ["bash: line 1: nosuch: command not found", { kind: "missing file", path: "nosuch" }],
    [
      "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
      { kind: "heap" },
    ],
    ["Error: connect ECONNREFUSED 127.0.0.1:5432", { kind: "refused", address: "127.0.0.1:5432" }],
    [
      "Error: EACCES: permission denied, open '/etc/shadow'",
      { kind: "rights", path: "/etc/shadow" },
    ],
    ["everything is fine", undefined],
  ];
  for (const [line, expected] of cases)
    assert.deepEqual(hintOf(["first", line, "    at main (server.js:1:1)"]), expected, line);
});

test("the record of a kill for lack of memory counts for exactly its process", () => {
  const records = [
    "6,1,1,-;oom-kill:constraint=CONSTRAINT_MEMCG,task=node,pid=2614,uid=0\n",
    "3,2,2,-;Memory cgroup out of memory: Killed process 2614 (node) total-vm:912528kB, anon-rss:57600kB\n SUBSYSTEM=x\n",
    "3,3,3,-;Out of memory: Killed process 77 (python) total-vm:1kB\n",
  ];
  assert.equal(
    killRecord(2614, records),
    "Memory cgroup out of memory: Killed process 2614 (node) total-vm:912528kB, anon-rss:57600kB",
  );
  assert.match(killRecord(77, records) ?? "", /^Out of memory: Killed process 77/);
  assert.equal(killRecord(261, records), undefined);
});
