import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { complete, type Noun } from "../../src/cli/telnet/completion.ts";
import {
  COMPILE_CACHE,
  eventually,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../helpers/resources.ts";
import { startDaemon } from "../kernel/client/daemon.ts";
import type { Ran } from "./capture.ts";
import { Person, withoutTerminal } from "./person.ts";
import { collect } from "./world.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
/** A person at the prompt of `newel telnet`. */
function atPrompt(scope: Scope, home: string): Person {
  return new Person(scope, [process.execPath, MAIN, "telnet"], { env: environment(home) });
}

function environment(home: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env["PATH"],
    HOME: home,
    NEWEL_HOME: home,
    TERM: "xterm",
    ...COMPILE_CACHE,
  };
}

/** Runs `newel telnet` with lines from a pipe. */
async function say(home: string, lines: readonly string[], ...args: string[]): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, "telnet", ...args], { env: environment(home) });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  child.stdin.end(lines.map((line) => `${line}\n`).join(""));
  const [code] = (await once(child, "close")) as [number];
  return { code, stdout: stdout(), stderr: stderr() };
}

describe("from a pipe", () => {
  test("a script prints the answers only, in the order of its lines", async (t) => {
    const { home } = await startDaemon(t);
    const { code, stdout, stderr } = await say(home.directory, [
      "set motto two  words",
      "get motto",
      "",
      "st",
      "l v",
      '{"id":7,"do":"get","name":"motto"}',
      "g motto",
    ]);
    assert.match(stdout, /^two words\nversion=\S+ pid=\d+ .*\nsockets=0 values=1 .*\nmemory=.*\n/);
    assert.match(
      stdout,
      /\nmotto two words\n\{"id":7,"ok":\{"value":"two words"\}\}\ntwo words\n$/,
    );
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  });

  test("a refusal is printed on stderr, the other lines are sent, and the exit code is 1", async (t) => {
    const { home } = await startDaemon(t);
    const ran = await say(home.directory, ["foo", "l x", "quit"]);
    assert.deepEqual(ran, {
      code: 1,
      stdout: "ok\n",
      stderr:
        'Error: Unknown command "foo"\nError: Unknown command "list x"; after "list" may stand: archived, claims, processes, sockets, values\n',
    });
  });

  test("a running command gets the next line when it waits for one", async (t) => {
    const { home } = await startDaemon(t);
    const { stdout, code } = await say(home.directory, [
      "make process job watch=1 /bin/echo hello",
      "",
      "",
      "events 0",
      "q",
      "claim one",
      "list claims",
    ]);
    assert.equal(code, 0);
    const [before, after = ""] = stdout.split("Nothing left to watch\n");
    assert.match(before ?? "", /^job pid=\d+ .*\nout:job:[\d.]+:6\nhello\n\n/);
    assert.match(before ?? "", /\nclosed:job:[\d.]+:0\n$/);
    assert.match(after, /Stopped watching\none epoch=1\none epoch=1 pid=\d+ .* waiting=0\n$/);
  });

  test("without a kernel one is started; exit-if-idle ends it again", async (t) => {
    const home = temporaryDirectory(t);
    const { code, stdout } = await say(home, ["status", "exit-if-idle"]);
    assert.equal(code, 0);
    assert.match(stdout, /^version=[^]*\nExiting when nobody is connected\n$/);
    const pid = Number(/ pid=(\d+) /.exec(stdout)?.[1]);
    await eventually(() => spawnSync("kill", ["-0", String(pid)]).status !== 0, "its end");
  });

  test("by TCP, also without a listening kernel", async (t) => {
    const { home, port } = await startDaemon(t, { port: 0 });
    const there = await say("/nonexistent", ["status"], "--port", String(port));
    assert.ok(there.stdout.includes(`home=${home.directory}`));
    const gone = await say("/nonexistent", ["status"], "--port", "1");
    assert.equal(gone.code, 5);
    assert.match(gone.stderr, /newel's kernel does not answer at port 1: connect ECONNREFUSED/);
    const wrong = await say("/nonexistent", [], "--port", "x");
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /--port x is no port/);
  });

  test("a kernel that dies is an error", async (t) => {
    const { home, child } = await startDaemon(t);
    const telnet = startProcess(t, process.execPath, [MAIN, "telnet"], {
      env: environment(home.directory),
      stdio: ["pipe", "pipe", "pipe"],
    });
    const [stdout, stderr] = [collect(telnet.stdout), collect(telnet.stderr)];
    telnet.stdin?.write("status\n");
    await eventually(() => stdout().includes("memory="), "the answer");
    const ended = once(telnet, "close");
    child.kill("SIGKILL");
    assert.deepEqual(await ended, [5, null]);
    assert.match(stderr(), /The connection to the kernel at .* ended/);
  });
});

describe("at a terminal", { skip: withoutTerminal }, () => {
  test("greeting, help, errors with the command to type, and a farewell", async (t) => {
    const { home } = await startDaemon(t);
    const person = atPrompt(t, home.directory);
    await person.sees('Type "help" for help.\n');
    await person.sees("Tab completes, Ctrl-D leaves.\n");
    await person.sees("> ");
    await person.type("h\r");
    await person.sees("Commands. Any word of a command may be shortened");
    await person.sees("> ");
    await person.type("lsit\r");
    await person.sees('Error: Unknown command "lsit"\n');
    await person.sees('Did you mean "list"? Type "help" for the commands.\n');
    await person.type("make sock\r");
    await person.sees("Error: make socket wants NAME: what it is called\n");
    await person.sees('Type "help make socket" to see how.\n');
    await person.type("l x\r");
    await person.sees('Type "help l" to see how.\n');
    await person.type("h l\r");
    await person.sees("list claims");
    await person.sees("> ");
    await person.type("garbage\x03");
    await person.type("\x03");
    await person.sees("Ctrl-D or quit leaves; processes keep running.\n");
    await person.type("\x04");
    assert.deepEqual(await person.ended, [0, null]);
  });

  test("Tab completes commands, options and the names there are; history comes back", async (t) => {
    const { home } = await startDaemon(t);
    const person = atPrompt(t, home.directory);
    await person.sees("> ");
    await person.type("ma\tso\tshop back\t9\r");
    await person.sees("make socket shop backlog=9");
    await person.sees("shop family=inet type=stream backlog=9");
    await person.type(" l s\r");
    await person.sees("shop family=inet");
    await person.type("make process p env.SECRET=x /bin/echo $(socket.sh\tp\t\r");
    await person.sees("p pid=");
    await person.type("rem\tsoc\tsh\t\r");
    await person.sees("remove sockets shop");
    await person.type("quit\r");
    await person.sees("ok\n");
    assert.deepEqual(await person.ended, [0, null]);
    const file = join(home.directory, "telnet.history");
    const kept = ["make socket shop backlog=9", "remove sockets shop ", "quit"];
    assert.deepEqual(readFileSync(file, "utf8").split("\n").slice(0, -1), kept);
    assert.equal(statSync(file).mode & 0o777, 0o600);

    const again = atPrompt(t, home.directory);
    await again.sees("> ");
    for (let up = 0; up < 3; up += 1) await again.press("\x1b[A");
    await again.sees("make socket shop backlog=9");
    await again.type("\r");
    await again.sees("shop family=inet type=stream backlog=9");
    await again.type("\x04");
    assert.deepEqual(await again.ended, [0, null]);
  });

  test("watching: Enter continues, Ctrl-C stops, and typed text stays below new output", async (t) => {
    const { home } = await startDaemon(t);
    const person = atPrompt(t, home.directory);
    await person.sees("> ");
    await person.type("m p job watch=1 /bin/sh -c echo\\ hello;exec\\ /bin/sleep\\ 30\r");
    await person.sees("hello\n");
    await person.sees("] Enter continues, q stops: ");
    await person.type("\r");
    await person.type("\x03");
    await person.sees("Stopped watching\n");
    await person.type("events\r");
    await person.type("half");
    assert.equal((await say(home.directory, ["signal job KILL", "r p job"])).code, 0);
    await person.sees(" ended process job");
    await person.sees("half");
    await person.type("\x15q\r");
    await person.sees("Stopped watching\n");
    await person.type("\x04");
    assert.deepEqual(await person.ended, [0, null]);
  });
});

describe("completion", () => {
  const names: Record<Noun, string[]> = {
    sockets: ["web", "api one"],
    values: ["color"],
    processes: ["web.1", "web.2"],
    claims: ["lead"],
  };
  const cases: Record<string, string[]> = {
    m: ["make "],
    "m ": ["process", "socket"],
    "l c": ["claims "],
    "list values c": ["color "],
    "w p ": ["web.1", "web.2"],
    "watch processes web.1 web.2": ["web.2 "],
    "remove sockets a": ["api\\ one "],
    "r s api\\ o": ["api\\ one "],
    "signal web.1 US": ["USR1", "USR2"],
    "signal web.1 TERM t": ["tree "],
    "release lead --": [],
    "m s web fam": ["family="],
    "m s web family=u": ["family=unix "],
    "m s web family=inet fam": [],
    "m p web stderr=": ["stderr=0", "stderr=1", "stderr=stdout"],
    "m p web en": ["env."],
    "m p web /bin/x $(socket.web.f": ["$(socket.web.fileno) "],
    "help make s": ["socket "],
    "help ac": ["ack "],
    ac: [],
    "exit-if-idle ": [],
    "nothing ": [],
    "nothing x ": [],
    "set col": ["color "],
    "make socket ": [],
  };
  for (const [line, wanted] of Object.entries(cases))
    test(`"${line}"`, async () => {
      const [hits] = await complete(line, async (noun) => names[noun]);
      assert.deepEqual(hits, wanted);
    });
});
