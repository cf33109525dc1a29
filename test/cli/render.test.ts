import assert from "node:assert/strict";
import { test } from "node:test";

import { formatDetail } from "../../src/cli/output/detail.ts";
import { formatPlan } from "../../src/cli/output/plan.ts";
import { formatProcesses, formatServices } from "../../src/cli/output/services.ts";
import { formatTable, visibleWidth } from "../../src/cli/output/table.ts";
import type { ServiceDetail, ServiceView } from "../../src/supervisor/api.ts";
import { captured } from "./capture.ts";

delete process.env["NO_COLOR"];
delete process.env["FORCE_COLOR"];

const NOW = Date.UTC(2026, 0, 2);
const HOUR = 3_600_000;

function service(changes: Partial<ServiceView> = {}): ServiceView {
  return {
    app: "shop",
    name: "web",
    wanted: "up",
    state: "running",
    ready: 2,
    replicas: 2,
    sinceMs: NOW - 76 * HOUR,
    restarts: 0,
    listen: ["127.0.0.1:3000"],
    processes: [
      {
        name: "web.1",
        kernelName: "shop/web.1#1-00",
        pid: 101,
        state: "running",
        ready: true,
        startedMs: NOW - HOUR,
        memoryBytes: 70_000_000,
        cpuPercent: 4.4,
      },
      {
        name: "web.2",
        kernelName: "",
        state: "backoff",
        ready: false,
        nextTryMs: NOW + 3_000,
        memoryBytes: 71_000_000,
        cpuPercent: 7.9,
      },
    ],
    ...changes,
  };
}

test("ps has one line per service, its columns under their titles", () => {
  const { output } = captured();
  const failed = service({
    name: "a-worker",
    state: "failed",
    ready: 0,
    restarts: 7,
    lastRestartMs: NOW - 60_000,
    listen: [],
    processes: [],
  });
  assert.deepEqual(formatServices([service(), failed], output, NOW), [
    "SERVICE   STATE    READY  UP    RESTARTS  CPU    MEM  LISTEN",
    "web       running  2/2    3d4h  0         12%  141MB  127.0.0.1:3000",
    "a-worker  failed   0/2    -     7 (1m)      -      -",
  ]);
});

test("ps -a has one line per process", () => {
  const { output } = captured();
  assert.deepEqual(formatProcesses([service()], output, NOW), [
    "PROCESS  STATE    READY  PID  UP  CPU   MEM  NEXT TRY",
    "web.1    running  yes    101  1h   4%  70MB",
    "web.2    backoff  no       -  -    8%  71MB  in 3s",
  ]);
});

test("several apps are grouped under their names", () => {
  const { output } = captured();
  const lines = formatServices(
    [service(), service({ app: "blog", name: "b" }), service({ name: "z" })],
    output,
    NOW,
  );
  assert.deepEqual(
    lines.map((line) => line.split(" ")[0]),
    ["SERVICE", "", "shop", "web", "z", "", "blog", "b"],
  );
});

test("a table drops columns, then cuts, until it fits", () => {
  const long = service({ name: "n".repeat(70), listen: ["127.0.0.1:3000", "/run/a.sock"] });
  for (const columns of [200, 120, 100, 80, 60, 40]) {
    const { output } = captured({ columns, isTTY: true });
    for (const line of formatServices([long, service()], output, NOW))
      assert.ok(visibleWidth(line) <= columns, `${visibleWidth(line)} > ${columns}: ${line}`);
  }
  const titles = (columns: number): string => {
    const { output } = captured({ columns, isTTY: true });
    return formatServices([service()], output, NOW)[0] ?? "";
  };
  assert.match(titles(80), /CPU.*MEM.*LISTEN/);
  assert.doesNotMatch(titles(60), /CPU/);
  assert.match(titles(60), /LISTEN/);
  assert.match(titles(10), /SERVICE.*STATE.*READY/);
});

test("a table is never wider than its rows need, and has no spaces at line ends", () => {
  const columns = [
    { title: "A", cell: (row: string) => row },
    { title: "B", cell: () => "" },
  ];
  assert.deepEqual(formatTable(columns, ["xyz", "é"], 80), ["A    B", "xyz", "é"]);
});

test("only a terminal gets escape sequences and colours", () => {
  const render = (isTTY: boolean): string => {
    const { output } = captured({ isTTY });
    return [
      ...formatServices([service({ ready: 1 })], output, NOW),
      ...formatProcesses([service()], output, NOW),
    ].join("\n");
  };
  assert.ok(!render(false).includes("\u001B"));
  assert.ok(render(true).includes("\u001B[32mrunning"));
});

test("show names the keys of the environment, never their values", () => {
  const { output } = captured();
  const detail: ServiceDetail = {
    ...service({ why: "it ended\u001B[2J with 1" }),
    file: "/srv/newel.config.ts",
    command: "node server.ts",
    cwd: "/srv",
    envKeys: ["DATABASE_URL", "PORT"],
    restartPolicy: "always",
    readiness: "alive",
    stop: "SIGTERM",
    dependsOn: { db: "ready" },
    lastExits: [
      { process: "web.2", pid: 99, atMs: NOW - 5_000, exitCode: -9, asked: false },
      { process: "web.2", pid: 98, atMs: NOW - 9_000, exitCode: null, asked: true },
    ],
    lastLines: ["one", "two"],
  };
  const text = formatDetail(detail, output, NOW).join("\n");
  assert.match(text, /environment +DATABASE_URL PORT/);
  assert.match(text, /depends on +db \(ready\)/);
  assert.match(text, /web\.2 \(pid 99\) {2}signal 9, 5s ago\n/);
  assert.match(text, /unknown exit code, 9s ago, as asked/);
  assert.match(text, /why +it ended\?\[2J with 1/, "what moves a cursor is no escape any more");
  assert.ok(text.endsWith("Last lines\n  one\n  two"));
});

test("a plan has the change, its reasons and its steps", () => {
  const { output } = captured();
  const changes = [
    {
      service: "web",
      change: "reload" as const,
      reasons: ["env.PORT changed"],
      steps: ["start web.3"],
    },
    { service: "worker", change: "none" as const, reasons: [], steps: [] },
  ];
  const move = { from: "/1/newel.config.json", to: "/2/newel.config.json" };
  assert.deepEqual(formatPlan("shop", { changes: [], move }, output), [
    "shop moves from /1/newel.config.json to /2/newel.config.json",
  ]);
  assert.deepEqual(formatPlan("shop", { changes }, output), [
    "web     reload  (env.PORT changed)",
    "  - start web.3",
    "worker  unchanged",
  ]);
});
