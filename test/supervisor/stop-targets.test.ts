import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";

import type { ProcessDetail, ProcessTree, TreeProcess } from "../../src/kernel/process-api.ts";
import { mayGoOn, treatmentOf } from "../../src/supervisor/signal-treatment.ts";
import { beginLadder, type LadderState, stepLadder } from "../../src/supervisor/stop-ladder.ts";
import {
  chooseTargets,
  type Ledger,
  type StopScope,
  type StopTerms,
} from "../../src/supervisor/stop-targets.ts";

const { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2 } = constants.signals;

function maskOf(...signals: number[]): string {
  return signals.reduce((mask, signal) => mask | (1n << BigInt(signal - 1)), 0n).toString(16);
}

function detailOf(program: string, more: Partial<ProcessDetail> = {}): ProcessDetail {
  const none = { caught: "0", ignored: "0", blocked: "0" };
  const streams = { stdin: "/dev/null", stdout: "/run/out", stderr: "/run/err" };
  return { program, args: [program], ...none, ...streams, ...more };
}

function one(pid: number, parent: number, detail: ProcessDetail): TreeProcess {
  const common = { command: detail.program, group: 100, cpuTicks: 0, memoryBytes: 0 };
  return { pid, parent, startTicks: pid, detail, ...common };
}

/** Node.js always catches SIGTERM and SIGINT. */
const NODE = detailOf("node", {
  args: ["node", "server.js"],
  caught: maskOf(SIGTERM, SIGINT),
});
const SLEEP = detailOf("sleep");
const NPM = detailOf("node", { args: ["npm start"], caught: maskOf(SIGTERM, SIGINT) });
const shell = (line: string, ...caught: number[]): ProcessDetail =>
  detailOf("dash", { args: ["/bin/sh", "-c", line], caught: maskOf(SIGINT, ...caught) });

class Stop {
  ledger: Ledger = new Map();
  terms: StopTerms;

  constructor(signal: number = SIGTERM, scope: StopScope = "auto") {
    this.terms = { signal, scope, graceMs: 10_000 };
  }

  /** The pids that get the signal. */
  look(elapsedMs: number, processes: TreeProcess[], main: Partial<ProcessTree> = {}): number[] {
    const tree = { name: "web", pid: 100, running: true, processes, ...main };
    const { signal, ledger } = chooseTargets(tree, this.ledger, this.terms, elapsedMs);
    this.ledger = ledger;
    return signal.map(({ pid }) => pid);
  }
}

const TREES: readonly [string, TreeProcess[], number[]][] = [
  ["a program with workers", [one(100, 1, NODE), one(101, 100, NODE)], [100]],
  ["a program that cannot pass it on", [one(100, 1, SLEEP), one(101, 100, NODE)], [100, 101]],
  [
    "a program that waits for it by sigwait",
    [one(100, 1, detailOf("tini", { blocked: maskOf(SIGTERM) })), one(101, 100, NODE)],
    [100],
  ],
  [
    "a program that ignores it",
    [one(100, 1, detailOf("x", { ignored: maskOf(SIGTERM) })), one(101, 100, NODE)],
    [101],
  ],
  ["npm", [one(100, 1, NPM), one(101, 100, shell("node s.js")), one(102, 101, NODE)], [102]],
  ["npm before its child", [one(100, 1, NPM)], [100]],
  ["one command line", [one(100, 1, shell("node s.js")), one(101, 100, NODE)], [101]],
  ["a list", [one(100, 1, shell("a; b")), one(101, 100, NODE)], [100, 101]],
  ["a trap", [one(100, 1, shell("a & wait", SIGTERM)), one(101, 100, NODE)], [100]],
  [
    "a trap on EXIT in bash",
    [
      one(
        100,
        1,
        detailOf("bash", {
          args: ["bash", "start.sh"],
          caught: maskOf(SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2),
        }),
      ),
      one(101, 100, NODE),
    ],
    [100, 101],
  ],
  [
    "timeout",
    [one(100, 1, detailOf("timeout", { caught: maskOf(SIGTERM) })), one(101, 100, NODE)],
    [101],
  ],
  ["what a process that ended left", [one(102, 1, NODE), one(103, 1, SLEEP)], [102, 103]],
];

for (const [name, processes, expected] of TREES)
  test(`stop targets: ${name}`, () => {
    const stop = new Stop();
    assert.deepEqual(stop.look(0, processes), expected);
    assert.deepEqual(stop.look(9_000, processes), [], "each gets it once");
  });

test("a signal that a program does not handle goes to its children too", () => {
  const processes = [one(100, 1, NODE), one(101, 100, NODE)];
  assert.deepEqual(new Stop(SIGUSR2).look(0, processes), [100, 101]);
});

test("a reader gets the signal a second after the last writer has ended", () => {
  const stop = new Stop();
  const writer = one(101, 100, { ...NODE, stdout: "pipe:[7]" });
  const all = [one(100, 1, shell("a | b")), writer, one(102, 100, { ...SLEEP, stdin: "pipe:[7]" })];
  assert.deepEqual(stop.look(0, all), [101]);
  const left = all.filter((each) => each !== writer);
  assert.deepEqual(stop.look(2_000, left), []);
  assert.deepEqual(stop.look(2_900, left), []);
  assert.deepEqual(stop.look(3_000, left), [102]);
});

test("a child that its program left behind gets the signal where it cannot have had it", () => {
  const all = [one(100, 1, NODE), one(101, 100, NODE), one(102, 100, SLEEP)];
  const left = all.slice(1).map((each) => ({ ...each, parent: 1 }));
  const bySignal = new Stop();
  assert.deepEqual(bySignal.look(0, all), [100]);
  assert.deepEqual(bySignal.look(100, left, { running: false, exitCode: -SIGTERM }), [101, 102]);
  const byItself = new Stop();
  assert.deepEqual(byItself.look(0, all), [100]);
  assert.deepEqual(byItself.look(100, left, { running: false, exitCode: 0 }), [102]);
  assert.deepEqual(byItself.look(4_900, left, { running: false, exitCode: 0 }), []);
  assert.deepEqual(byItself.look(5_000, left, { running: false, exitCode: 0 }), [101]);
});

test("a program that a shell or npm begins during the stop gets the signal", () => {
  const stop = new Stop();
  const npm = one(100, 1, NPM);
  assert.deepEqual(stop.look(0, [npm, one(101, 100, NODE)]), [101]);
  assert.deepEqual(stop.look(500, [npm]), [], "npm may end by itself");
  assert.deepEqual(stop.look(600, [npm, one(102, 100, NODE)]), [102]);
  assert.deepEqual(stop.look(700, [npm]), []);
  assert.deepEqual(stop.look(1_700, [npm]), [100]);
});

test("a fork of a shell gets the signal as the program that it becomes, or as a subshell", () => {
  const stop = new Stop();
  const line = shell("(a; b); c");
  const all = [one(100, 1, line), one(101, 100, line)];
  assert.deepEqual(stop.look(0, all), [100]);
  assert.deepEqual(stop.look(100, [one(100, 1, line), one(101, 100, NODE)]), [101]);
  const other = new Stop();
  assert.deepEqual(other.look(0, all), [100]);
  assert.deepEqual(other.look(300, [one(101, 1, line), one(102, 101, NODE)]), [101, 102]);
});

test("bash takes SIGINT and becomes the last command of its line: that command gets SIGINT too", () => {
  const stop = new Stop(SIGINT);
  const bash = detailOf("bash", { args: ["bash", "-c", "a; b"], caught: maskOf(SIGINT) });
  assert.deepEqual(stop.look(0, [one(100, 1, bash), one(101, 100, NODE)]), [100, 101]);
  const become = one(100, 1, { ...NODE, args: ["node", "b.js"] });
  assert.deepEqual(stop.look(500, [become]), [100]);
  assert.deepEqual(stop.look(600, [become]), []);
});

test("a supervisor that comes back continues the stop of the last one", () => {
  const asked = { asked: { signal: SIGTERM, agoMs: 2_000 } };
  const processes = [one(100, 1, { ...NODE, ...asked }), one(101, 100, NODE)];
  assert.deepEqual(new Stop().look(2_000, processes), []);
});

test("the other scopes name their processes, once each", () => {
  const session = { ...one(102, 101, NODE), group: 102 };
  const processes = [one(100, 1, NODE), one(101, 100, NODE), session];
  for (const [scope, expected] of [
    ["main", [100]],
    ["group", [100, 101]],
    ["tree", [100, 101, 102]],
  ] as const) {
    const stop = new Stop(SIGTERM, scope);
    assert.deepEqual(stop.look(0, processes), expected);
    assert.deepEqual(stop.look(9_000, processes), []);
  }
});

test("wrappers are recognized by their program, with any path", () => {
  const passes = [
    ["node", "/usr/bin/npx", "serve"],
    ["node", "/opt/yarn/bin/yarn.js", "start"],
    ["node", "--no-warnings", "/x/pnpm.cjs", "start"],
    ["/opt/node/bin/node", "--run", "start"],
    ["npm run web"],
    ["node", "/app/node_modules/.bin/tsx", "server.ts"],
    ["node", "--import", "./env.mjs", "/app/node_modules/tsx/dist/cli.mjs", "server.ts"],
  ];
  for (const args of passes)
    assert.equal(treatmentOf({ ...NODE, args }, SIGTERM), "passes", args.join(" "));
  const programs = [
    ["node", "server.js", "npm"],
    ["node", "x.js", "--run"],
    ["npmlog"],
    ["node", "--import", "tsx", "server.ts"],
    ["node", "-r", "/app/node_modules/tsx/dist/preflight.cjs", "server.ts"],
  ];
  for (const args of programs)
    assert.equal(treatmentOf({ ...NODE, args }, SIGTERM), "handles", args.join(" "));
});

test("a shell may continue after a list or in a script, not after one command line", () => {
  for (const line of ["node s.js 2>&1 | tee log", "a && node s.js", "A=1 node 'my file.js' >&2"])
    assert.equal(mayGoOn(["sh", "-c", line]), false, line);
  for (const line of ["a; b", "a\nb", "a || b", "a & wait", "while true\ndo a\ndone", "(a) && b"])
    assert.equal(mayGoOn(["sh", "-c", line]), true, line);
  assert.equal(mayGoOn(["sh", "start.sh", "-c", "a"]), true);
  assert.equal(mayGoOn(["bash", "-eo", "pipefail", "-c", "a | b"]), false);
  assert.equal(treatmentOf(shell("a; b"), SIGQUIT), "default");
});

test("the grace of a stop counts from the first read of the tree, however late a busy kernel answers", () => {
  const tree = { name: "web", pid: 100, running: true, processes: [one(100, 1, SLEEP)] };
  const terms = { signal: SIGTERM, scope: "auto", graceMs: 10_000 } as const;
  const look = (state: LadderState, nowMs: number): ReturnType<typeof stepLadder> =>
    stepLadder(state, { type: "tree", tree }, nowMs);
  const signals = ({ effects }: ReturnType<typeof stepLadder>): string[] =>
    effects.flatMap((effect) => (effect.do === "signal" ? [effect.signal] : []));

  const late = look(beginLadder(terms), 1_000_000);
  assert.deepEqual(signals(late), ["stop"]);
  const within = look(late.state, 1_009_999);
  assert.deepEqual(signals(within), []);
  assert.deepEqual(signals(look(within.state, 1_010_000)), ["SIGKILL"]);
});
