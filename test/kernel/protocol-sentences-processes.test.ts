// The line protocol as described by papa's documentation and the reference, a sentence a test: processes,
// watching, newel's additions.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import { homeAt } from "../../src/base/home.ts";
import { openKernel } from "../../src/kernel/kernel.ts";
import { serveKernel } from "../../src/kernel/server.ts";
import { eventually, temporaryDirectory } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { Prompt } from "./session/prompt.ts";
import { fileScope, Wire } from "./session/wire.ts";

const scope = fileScope();
let prompt: Prompt;

before(async () => {
  prompt = await Prompt.open(scope);
});
after(() => assert.deepEqual(prompt.served.logged, []));

describe("processes", () => {
  test("the reply and each line of the list", async () => {
    const line = await prompt.ask("make process q.a /bin/sleep 60");
    assert.match(line, /^q\.a pid=\d+ running=True started=\d+\.\d+ args=\/bin\/sleep 60$/);
    assert.equal(await prompt.ask("list processes q.*"), line);
  });
  test("own session, stdin is /dev/null, the environment is exactly the given one", async () => {
    assert.equal(await prompt.outputOf("q.in", "read x || printf end"), "end");
    const pid = /pid=(\d+)/.exec(await prompt.ask("list processes q.a"))?.[1];
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ");
    assert.deepEqual([stat?.[2], stat?.[3]], [pid, pid], "group and session");
    // The process itself reads its environment: another one finds none before the execve has ended.
    const environment = "tr '\\0' '\\n' < /proc/$$/environ; echo end";
    assert.equal(await prompt.outputOf("q.none", environment), "end\n");
    assert.equal(
      await prompt.outputOf("q.env", environment, "env.A=1 env.B=two\\ words"),
      "A=1\nB=two words\nend\n",
    );
    assert.match(readFileSync(`/proc/${pid}/limits`, "utf8"), /Max core file size/);
  });
  test("uid and gid by name or number; unknown ones are an error", async () => {
    const own = process.getuid?.() ?? 0;
    assert.match(
      await prompt.ask(`make process q.u uid=${own} /bin/true`),
      new RegExp(` uid=${own} .*args=/bin/true$`),
    );
    assert.match(
      await prompt.ask("make process q.x uid=no-such-user /bin/true"),
      /^Error: .*no-such-user/,
    );
    assert.match(
      await prompt.ask("make process q.x gid=no-such-group /bin/true"),
      /^Error: .*no-such-group/,
    );
  });
  test("rlimits set soft and hard", async () => {
    const limits = await prompt.outputOf("q.l", "ulimit -Sn; ulimit -Hn", "rlimit.nofile=99");
    assert.equal(limits, "99\n99\n");
  });
  test("references to sockets are replaced, and the error of a wrong one names the reason", async () => {
    const port = /port=(\d+)/.exec(await prompt.ask("make socket q.s"))?.[1];
    await prompt.ask("make process q.ref /bin/echo $(socket.q.s.port) $(socket.q.s.fileno)");
    await prompt.isOver("q.ref");
    assert.match(await prompt.watchAll("q.ref"), new RegExp(`\\n${port} 3\\n`));
    assert.equal(
      await prompt.ask("make process q.x /bin/echo $(socket.q.none.port)"),
      "Error: Socket q.none not found",
    );
    assert.match(
      await prompt.ask("make process q.x /bin/echo $(socket.q.s)"),
      /^Error: .*(fileno|port)/,
    );
    assert.match(await prompt.ask("make process q.x /bin/echo $(socket.q.s.port"), /^Error: .*\)/);
  });
  test("made again: the same process, or an error that shows it", async () => {
    const line = await prompt.ask("list processes q.a");
    assert.equal(await prompt.ask("make process q.a /bin/sleep 60"), line);
    assert.match(
      await prompt.ask("make process q.a /bin/sleep 61"),
      /^Error: .*q\.a.*\/bin\/sleep 60/,
    );
  });
  test("no such executable, no such directory", async () => {
    assert.match(await prompt.ask("make process q.x /no/such/program"), /^Error: Bad command - /);
    assert.match(
      await prompt.ask("make process q.x working_dir=/no/such /bin/true"),
      /^Error: Bad working_dir - /,
    );
  });
  test("stdout and stderr are captured unless turned off; stderr=stdout merges", async () => {
    for (const [options, expected] of [
      ["", ["out", "err"]],
      ["stdout=0", ["err"]],
      ["stderr=0", ["out"]],
      ["stderr=stdout", ["out"]],
      ["bufsize=0", []],
    ] as const) {
      const name = `q.${options.replace("=", "-")}c`;
      await prompt.ask(`make process ${name} ${options} /bin/sh -c echo\\ o;echo\\ e\\ >&2`);
      await prompt.isOver(name);
      const frames = await prompt.watchAll(name);
      const streams = new Set([...frames.matchAll(/^(out|err):/gm)].map(([, stream]) => stream));
      assert.deepEqual(streams, new Set(expected), options);
      if (options === "stderr=stdout") assert.match(frames, /o\ne\n/);
    }
  });
  test("bufsize in bytes or with k, m, g bounds the kept output, and the oldest output is dropped first", async () => {
    assert.equal(await prompt.outputOf("q.b", "echo 123456789; echo abc", "bufsize=4"), "abc\n");
    for (const size of ["4096", "64k", "2m", "1g"])
      assert.equal(await prompt.outputOf(`q.b${size}`, "echo abc", `bufsize=${size}`), "abc\n");
    assert.match(await prompt.ask("make process q.x bufsize=many /bin/true"), /^Error: /);
  });
  test("an ended process stays in the list until its end was acknowledged or it is removed", async () => {
    await prompt.ask("make process q.end /bin/true");
    await prompt.isOver("q.end");
    assert.match(await prompt.ask("list processes q.end"), / running=False /);
    await prompt.watchAll("q.end");
    assert.equal(await prompt.ask("list processes q.end"), "");
    await prompt.ask("make process q.end2 /bin/true");
    await prompt.isOver("q.end2");
    assert.equal(await prompt.ask("remove processes q.end2"), "");
    assert.equal(await prompt.ask("list processes q.end2"), "");
  });
  test("a removed process disappears by itself when it ends", async () => {
    await prompt.ask("remove processes q.a");
    assert.match(await prompt.ask("list processes q.a"), /running=True/);
    await prompt.ask("signal q.a KILL");
    await eventually(
      async () => (await prompt.ask("list processes q.a")) === "",
      "it left the list",
    );
  });
});

describe("watching", () => {
  test("one line, frames, the end of the batch; an empty line acknowledges", async () => {
    await prompt.ask("make process t.a /bin/sh -c echo\\ hello;exit\\ 3");
    await prompt.isOver("t.a");
    prompt.wire.send("watch processes t.*\n");
    await prompt.wire.expect("Watching 1\n");
    assert.match(
      await prompt.wire.until("] "),
      /^out:t\.a:\d+\.\d+:6\nhello\n\nclosed:t\.a:\d+\.\d+:3\n\] $/,
    );
    prompt.wire.send("\n");
    await prompt.wire.expect("Nothing left to watch\n> ");
  });
  test("watch=1 on make answers the process line, then frames", async () => {
    prompt.wire.send("make process t.w watch=1 /bin/echo hi\n");
    assert.match(await prompt.wire.until("\n"), /^t\.w pid=\d+ running=True /);
    let frames = "";
    while (!frames.includes("closed:t.w:")) {
      frames += await prompt.wire.until("] ");
      prompt.wire.send("\n");
    }
    await prompt.wire.expect("Nothing left to watch\n> ");
  });
  test("a signal is negative", async () => {
    await prompt.ask("make process t.k /bin/sleep 60");
    await prompt.ask("signal t.k KILL");
    await prompt.isOver("t.k");
    assert.match(await prompt.watchAll("t.k"), /^closed:t\.k:[\d.]+:-9\n/);
  });
  test("q acknowledges and stops", async () => {
    await prompt.ask("make process t.q /bin/sh -c echo\\ one;exec\\ sleep\\ 60");
    prompt.wire.send("watch processes t.q\n");
    await prompt.wire.expect("Watching 1\n");
    assert.match(await prompt.wire.until("] "), /\none\n/);
    prompt.wire.send("q\n");
    await prompt.wire.expect("Stopped watching\n> ");
    await prompt.ask("signal t.q KILL");
    await prompt.isOver("t.q");
    assert.doesNotMatch(await prompt.watchAll("t.q"), /one/);
  });
  test("a client that disappears without acknowledging loses nothing", async () => {
    await prompt.ask("make process t.d /bin/echo again");
    await prompt.isOver("t.d");
    const other = await prompt.another();
    other.send("watch processes t.d\n");
    await other.until("] ");
    other.socket.destroy();
    assert.match(await prompt.watchAll("t.d"), /again/);
  });
  test("several watchers may watch one process", async () => {
    await prompt.ask("make process t.s /bin/sh -c echo\\ x;exec\\ sleep\\ 60");
    const others = await Promise.all([prompt.another(), prompt.another()]);
    for (const other of others) {
      other.send("watch processes t.s\n");
      assert.match(await other.until("] "), /\nx\n/);
    }
    await prompt.ask("signal t.s KILL");
  });
  test("an exit code that no kernel could learn is 256", async () => {
    const home = homeAt(temporaryDirectory(scope));
    const options = { version: "test", notice: () => undefined };
    const first = openKernel(home, options);
    const { pid } = first.processes.make({ name: "gone", args: ["/bin/sleep", "60"] });
    await first.close();
    sendSignal(pid, "SIGKILL");
    // Reaped by this test's other kernel, as by init where a kernel was killed.
    await eventually(() => !existsSync(`/proc/${pid}`), "it is gone");
    const kernel = openKernel(home, options);
    scope.after(() => kernel.close());
    const server = await serveKernel({
      kernel,
      version: "test",
      path: home.kernelSocket,
      upgrade: () => Promise.reject(new Error("not here")),
      log: () => undefined,
    });
    scope.after(() => server.close());
    const other = await Wire.open(scope, { path: home.kernelSocket });
    other.send("watch processes gone\n");
    assert.match(await other.until("] "), /closed:gone:[\d.]+:256\n\] $/);
  });
  test("help is text from the command table", async () => {
    assert.match(await prompt.ask("help"), /make process/);
    assert.match(await prompt.ask("help make socket"), /backlog/);
    assert.match(await prompt.ask("help process"), /process/);
  });
});

describe("additions that papa's client does not notice", () => {
  test("a line that begins with { is one JSON request, answered by one JSON line with its id", async () => {
    const value = 'any "bytes" = \\ \n here';
    assert.deepEqual(await prompt.wire.json({ id: 1, do: "set", name: "j.a", value }), {
      id: 1,
      ok: null,
    });
    const answer = await prompt.wire.json({ id: "two", do: "get", name: "j.a" });
    assert.deepEqual([answer["id"], JSON.stringify(answer).includes("any")], ["two", true]);
    const refused = await prompt.wire.json({ id: 3, do: "remove sockets", names: ["none"] });
    assert.equal((refused["error"] as { code?: string }).code, "NEWEL_E_NOT_FOUND");
  });
  test("claims, signals, events and the status can be used with words too", async () => {
    assert.match(await prompt.ask("claim j.lock"), /^j\.lock epoch=1$/);
    assert.match(await prompt.ask("list claims j.*"), /^j\.lock epoch=1 pid=\d+ /);
    assert.equal(await prompt.ask("release j.lock"), "");
    assert.match(await prompt.ask("status"), /^version=test pid=\d+/);
    prompt.wire.send("events 0\n");
    assert.match(await prompt.wire.until("claimed claim j.lock"), /made socket/);
    prompt.wire.send("q\n");
    await prompt.wire.until("Stopped watching\n> ");
  });
  test("sockets by list: LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID", async () => {
    await prompt.ask("make socket j.web");
    const said = await prompt.outputOf(
      "j.p",
      "echo $LISTEN_FDS $LISTEN_FDNAMES $((LISTEN_PID-$$))",
      "sockets=j.web listen_pid=1",
    );
    assert.equal(said, "1 j.web 0\n");
  });
});
