// cspell:ignore stty
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

import { formatFrame } from "../../src/cli/top/frame.ts";
import type { Row } from "../../src/cli/top/rows.ts";
import { type Key, press, type TopState } from "../../src/cli/top/state.ts";
import type { Scope } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { captured } from "./capture.ts";
import { Person, withoutTerminal } from "./person.ts";
import { World } from "./world.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
/** Line breaks, the cursor and the former screen. */
const RESTORED = "\u001B[?7h\u001B[?25h\u001B[?1049l";

const ROWS: readonly Row[] = [
  row({ service: "web", cpuPercent: 12, memoryBytes: 141_000_000, loopDelayMs: 21.4 }),
  row({ service: "worker", state: "failed", ready: 0, restarts: 7 }),
  row({ service: "clock", cpuPercent: 3, memoryBytes: 9_000_000 }),
];
const START: TopState = {
  sort: "name",
  filter: "",
  by: "service",
  selected: undefined,
  mode: "table",
};

function row(changes: Partial<Row>): Row {
  return {
    app: "shop",
    service: "web",
    state: "running",
    ready: 1,
    replicas: 1,
    restarts: 0,
    ...changes,
  };
}

/** The state after keys, with the request of the last one. */
function typed(keys: readonly (Key | string)[], from: TopState = START): ReturnType<typeof press> {
  let pressed: ReturnType<typeof press> = { state: from };
  for (const key of keys)
    pressed = press(
      pressed.state,
      typeof key === "string" ? { sequence: key, name: key } : key,
      ROWS,
    );
  return pressed;
}

function frameOf(state: TopState, height = 9, columns = 80): string[] {
  const moment = { rows: ROWS, state, message: undefined, clock: "12:00:00" };
  const lines = formatFrame(moment, captured({ isTTY: true, columns }).output, height);
  return lines.map(stripVTControlCharacters);
}

describe("the table", () => {
  test("has the selected row marked and one line of keys, and fits height and width", () => {
    const { state } = typed(["s", { name: "down" }]);
    assert.deepEqual(frameOf(state), [
      "shop  3 services  2/3 ready  CPU 15%  MEM 150MB  12:00:00",
      "   NAME    STATE    READY  CPU*    MEM  LOOP  RESTARTS",
      "   web     running  1/1     12%  141MB  21ms         0",
      ">  clock   running  1/1      3%    9MB     -         0",
      "   worker  failed   0/1       -      -     -         7",
      "",
      "",
      "",
      "q quit  ↑↓ select  s sort  / filter  a replicas  r restart  x stop  ? help",
    ]);
    const narrow = frameOf(typed([{ name: "end" }]).state, 5, 32);
    assert.deepEqual(narrow.slice(1, 3), [
      "   NAME*   STATE    READY  CPU",
      ">  worker  failed   0/1      -",
    ]);
  });

  test("a filter is typed, kept by Enter and removed by Escape", () => {
    const { state } = typed(["/", "W", "e", "x", { name: "backspace" }, { name: "return" }]);
    assert.deepEqual([state.filter, state.mode], ["We", "table"]);
    assert.equal(frameOf(state).filter((line) => /^[> ] {2}[a-z]/.test(line)).length, 1);
    assert.equal(typed([{ name: "escape" }], state).state.filter, "");
    assert.equal(typed(["/", "q"]).request, undefined);
  });

  test("only y confirms a restart or a stop; Ctrl-C quits in every mode", () => {
    const asked = typed(["x"]);
    assert.match(frameOf(asked.state).at(-1) ?? "", /^Stop shop\/clock\? y\/N$/);
    assert.deepEqual(typed(["y"], asked.state).request, { verb: "stop", target: "shop/clock" });
    for (const key of ["n", "Y", "x", "\r"])
      assert.equal(typed([key], asked.state).request, undefined, key);
    for (const keys of [[], ["/"], ["r"], ["?"]])
      assert.equal(typed([...keys, { name: "c", ctrl: true }]).request, "quit");
  });
});

describe("newel top", () => {
  const world = new World({ after });
  const words = (...args: string[]): string[] => [process.execPath, MAIN, "top", ...args];
  const options = { skip: withoutTerminal };
  const atTerminal = (scope: Scope, command: readonly string[]): Person =>
    new Person(scope, command, {
      cwd: world.directory,
      env: { ...world.environment, TERM: "xterm" },
    });

  test("prints one table without escape sequences into a pipe, and rows as JSON", async () => {
    assert.deepEqual((await world.newel("top")).code, 3);
    world.write("web.cjs", 'require("node:http").createServer().listen(0, "127.0.0.1")');
    world.configure({
      name: "shop",
      services: { web: { node: "web.cjs", replicas: 2 }, idle: { run: "exec sleep 1000" } },
    });
    await world.succeed("up");
    const { code, stdout } = await world.newel("top", "--interval", "300ms");
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^NAME +STATE +READY +CPU +MEM +LOOP +RESTARTS\nidle +running +1\/1 +\d+% +\d\S*B +- +0\nweb +running +2\/2 +\d+% +\S+MB +[\d.]+ms +0\n$/,
    );
    type Rows = { v: number; replica: string; pid: number; loopDelayMs: number }[];
    const rows = await world.json<Rows>("top", "web", "-a", "--interval", "300ms");
    assert.deepEqual(
      rows.map(({ v, replica }) => [v, replica]),
      [
        [1, "web.1"],
        [1, "web.2"],
      ],
    );
    assert.ok(rows.every(({ pid, loopDelayMs }) => pid > 0 && loopDelayMs > 0));
    assert.equal((await world.newel("top", "wbe")).code, 4);
    assert.equal((await world.newel("top", "--app", "none")).code, 4);
    assert.equal((await world.newel("top", "--sort", "cup")).code, 2);
  });

  test("a person sorts, filters and stops a service", options, async (t) => {
    const person = atTerminal(t, words("--interval", "300ms"));
    await person.sees(/shop {2}2 services {2}3\/3 ready/);
    await person.type("/idle\r");
    await person.sees(/filter "idle"/);
    await person.type("x");
    await person.sees("Stop shop/idle? y/N");
    await person.type("n");
    await person.type("x");
    await person.sees("Stop shop/idle? y/N");
    await person.type("y");
    await person.sees("stop shop/idle: done");
    await person.sees(/idle +stopped/);
    await person.type("q");
    assert.deepEqual(await person.ended, [0, null]);
    // The last bytes bring the cursor and the screen back.
    assert.ok(person.screen.endsWith(RESTORED));
    assert.equal((await world.newel("ps", "idle")).code, 3);
  });

  test("SIGTERM restores the terminal; the table outlives its supervisor", options, async (t) => {
    world.write(
      "top.sh",
      'stty -g >before; sh -c \'echo $$ >pid; exec "$@"\' sh "$@"; stty -g >after\n',
    );
    const person = atTerminal(t, ["sh", "top.sh", ...words("--interval", "300ms")]);
    await person.sees("shop  2 services");
    sendSignal(await world.supervisorPid(), "SIGKILL");
    await person.sees("No supervisor runs");
    await world.succeed("start", "idle");
    await person.sees("idle   running");
    sendSignal(Number(world.read("pid")), "SIGTERM");
    await person.ended;
    assert.ok(person.screen.endsWith(RESTORED));
    assert.equal(world.read("after"), world.read("before"));
  });
});
