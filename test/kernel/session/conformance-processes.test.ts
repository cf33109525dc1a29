// The protocol page, byte by byte, through a plain TCP socket: processes, watching, newel's additions.
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { eventOf } from "../../helpers/kernel.ts";
import { eventually, temporaryDirectory } from "../../helpers/resources.ts";
import { fileScope, type Served, serveTestKernel, Wire } from "./wire.ts";

const scope = fileScope();
let served: Served;

before(async () => {
  served = await serveTestKernel(scope);
});
after(() => assert.deepEqual(served.logged, []));

const open = (): Promise<Wire> =>
  Wire.open(scope, { port: served.server.port ?? 0, host: "127.0.0.1" });

describe("processes", () => {
  test("the reply and the list have the same line, and a repeated make returns the same process", async () => {
    const wire = await open();
    const line = await wire.ask("make process sleeper /bin/sleep 60");
    assert.match(line, /^sleeper pid=\d+ running=True started=\d{10}\.\d{3} args=\/bin\/sleep 60$/);
    assert.equal(await wire.ask("list processes sleeper"), line);
    assert.equal(await wire.ask("make process sleeper /bin/sleep 60"), line);
    assert.match(
      await wire.ask("make process sleeper /bin/sleep 61"),
      /^Error: .*sleeper exists with other settings: .*args=\/bin\/sleep 60/,
    );
    const pid = /pid=(\d+)/.exec(line)?.[1];
    assert.equal(await wire.ask("signal sleeper kill"), `${pid} sleep`);
    await eventOf(served.kernel, ({ name, type }) => name === "sleeper" && type === "closed");
    assert.equal(await wire.ask("list processes sleeper"), line.replace("True", "False"));
    assert.equal(await wire.ask("remove processes sleeper"), "");
    assert.equal(await wire.ask("list processes sleeper"), "");
    assert.equal(await wire.ask("remove processes sleeper"), "Error: sleeper not found");
  });

  test("options: environment, directory, limits, streams, and errors in papa's words", async () => {
    const wire = await open();
    const directory = temporaryDirectory(scope);
    await wire.ask(
      `make process opts working_dir=${directory} env.A=x\\ y env.Q="q" rlimit.nofile=77 stderr=stdout bufsize=64k /bin/sh -c pwd;\\ echo\\ "$A-$Q";\\ ulimit\\ -n;\\ echo\\ err\\ >&2;\\ /usr/bin/env`,
    );
    await eventOf(served.kernel, ({ name, type }) => name === "opts" && type === "closed");
    wire.send("watch processes opts\n");
    await wire.expect("Watching 1\n");
    let output = "";
    for (const frame of (await wire.until("closed:opts:")).matchAll(
      /out:opts:[\d.]+:\d+\n([^]*?)\n(?=out|closed)/g,
    ))
      output += frame[1];
    assert.match(output, new RegExp(`^${directory}\nx y-q\n77\nerr\n`));
    const env = output
      .split("\n")
      .slice(4)
      .filter((entry) => !/^(PWD|OLDPWD|SHLVL|_)=/.test(entry));
    assert.deepEqual(env.filter(Boolean).sort(), ["A=x y", "Q=q"]);
    await wire.until("] ");
    wire.send("\n");
    await wire.expect("Nothing left to watch\n> ");
    for (const [ask, error] of [
      ["make process bad /no/such/program", /^Error: Bad command - /],
      ["make process bad working_dir=/no/such /bin/true", /^Error: Bad working_dir - /],
      ["make process bad uid=nosuchuser /bin/true", /^Error: .*nosuchuser/],
      ["make process bad bufsize=1x /bin/true", /^Error: .*bufsize must be a size/],
      ["make process bad env=1 /bin/true", /^Error: make process has no option/],
      ["make process bad", /^Error: make process wants ARGS/],
      ["make process bad /bin/echo $(socket.none.port)", /^Error: Socket none not found$/],
      ["make process bad /bin/echo $(socket.none.fileno", /^Error: /],
    ] as const)
      assert.match(await wire.ask(ask), error);
    assert.equal(await wire.ask("list processes bad"), "");
  });

  test("a socket's number and port are put into the command", async () => {
    const wire = await open();
    const socket = await wire.ask("make socket sub");
    const socketPort = /port=(\d+)/.exec(socket)?.[1];
    wire.send("make process sub watch=1 /bin/echo $(socket.sub.port) fd=$(socket.sub.fileno)\n");
    assert.match(await wire.until("\n"), /^sub pid=\d+ running=True .* args=\/bin\/echo /);
    const frame = await wire.until("] ");
    assert.match(frame, new RegExp(`\n${socketPort} fd=3\n`));
    wire.send("q\n");
    await wire.until("> ");
    await wire.ask("remove sockets sub");
  });
});

describe("sockets of processes", () => {
  test("with reuseport each process gets its own socket, which listens", async () => {
    const wire = await open();
    const line = await wire.ask("make socket rp reuseport=1 backlog=7");
    const port = Number(/port=(\d+)/.exec(line)?.[1]);
    await assert.rejects(Wire.connect(scope, { port, host: "127.0.0.1" }), {
      code: "ECONNREFUSED",
    });
    for (const name of ["rp.1", "rp.2"])
      await wire.ask(`make process ${name} /bin/sh -c exec\\ sleep\\ 60 $(socket.rp.fileno)`);
    const hex = port.toString(16).toUpperCase().padStart(4, "0");
    const listening = readFileSync("/proc/net/tcp", "utf8")
      .split("\n")
      .filter((row) => row.includes(`:${hex} 00000000:0000 0A`));
    assert.equal(listening.length, 2, "both are ready for accept before the program is");
    await wire.ask("signal rp.1 kill");
    await wire.ask("signal rp.2 kill");
    await wire.ask("remove sockets rp");
  });
});

describe("watching", () => {
  test("frames, acknowledgement, the end, an empty list", async () => {
    const wire = await open();
    await wire.ask(
      "make process w1 /bin/sh -c echo\\ one;\\ sleep\\ 0.2;\\ echo\\ two\\ >&2;\\ exit\\ 3",
    );
    await eventOf(served.kernel, ({ name, type }) => name === "w1" && type === "closed");
    wire.send("watch processes w1\n");
    await wire.expect("Watching 1\n");
    const batch = await wire.until("] ");
    assert.match(
      batch,
      /^out:w1:\d{10}\.\d+:4\none\n\nerr:w1:\d{10}\.\d+:4\ntwo\n\nclosed:w1:\d{10}\.\d+:3\n\] $/,
    );
    assert.equal(served.kernel.processes.list(["w1"]).length, 1);
    wire.send("\n");
    await wire.expect("Nothing left to watch\n> ");
    assert.equal(served.kernel.processes.list(["w1"]).length, 0);
  });

  test("after a full buffer output continues with a whole line, for every size of the buffer", async () => {
    const wire = await open();
    const lines = ["12345678901234567890\n", "abc\n", "\n", "def\n"];
    const sizes = Array.from({ length: 32 }, (_, index) => index + 1);
    for (const size of sizes)
      await wire.ask(
        `make process b.${size} bufsize=${size} /usr/bin/printf 12345678901234567890\\nabc\\n\\ndef\\n`,
      );
    for (const size of sizes) {
      await eventOf(served.kernel, ({ name, type }) => name === `b.${size}` && type === "closed");
      wire.send(`watch processes b.${size}\n`);
      await wire.expect("Watching 1\n");
      const frames = await wire.until(`closed:b.${size}:`);
      const output = /^out:b\.\d+:[\d.]+:\d+\n([^]*)\nclosed/.exec(frames)?.[1] ?? "";
      // All whole lines that fit into the buffer.
      const fitting = lines.map((_, index) => lines.slice(index).join(""));
      assert.equal(output, fitting.find((text) => text.length <= size) ?? "", `bufsize=${size}`);
      await wire.until("] ");
      wire.send("\n");
      await wire.expect("Nothing left to watch\n> ");
    }
  });

  test("output without lines continues with a whole piece", async () => {
    const wire = await open();
    const directory = temporaryDirectory(scope);
    const wait = (file: string): string => `while ! [ -e ${file} ]; do /bin/sleep .02; done`;
    const program = `printf 12345678; ${wait("a")}; printf abc; ${wait("b")}; printf de`;
    await wire.ask(
      `make process pieces bufsize=6 working_dir=${directory} /bin/sh -c ${program.replaceAll(" ", "\\ ")}`,
    );
    // Each piece is stored before the next is written, at another time.
    for (const [file, end] of [
      ["a", 8],
      ["b", 11],
    ] as const) {
      const output = served.kernel.processes.output("pieces");
      await eventually(() => output.range("out")?.end === end, `${end} bytes`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      writeFileSync(join(directory, file), "");
    }
    await eventOf(served.kernel, ({ name, type }) => name === "pieces" && type === "closed");
    wire.send("watch processes pieces\n");
    await wire.expect("Watching 1\n");
    const frames = await wire.until("closed:pieces:");
    const pieces = [...frames.matchAll(/out:pieces:[\d.]+:\d+\n(\w+)\n/g)].map(([, text]) => text);
    assert.equal(pieces.join(""), "abcde");
    await wire.until("] ");
    wire.send("\n");
    await wire.expect("Nothing left to watch\n> ");
  });

  test("a watcher that leaves without acknowledging loses nothing, and q acknowledges", async () => {
    const control = await open();
    await control.ask("make process w2 /bin/sh -c echo\\ first;\\ exec\\ sleep\\ 60");
    const first = await open();
    first.send("watch processes w2\n");
    await first.until("first\n\n] ");
    first.socket.destroy();
    const second = await open();
    second.send("watch processes w2\n");
    await second.until("first\n\n] ");
    second.send("q\n");
    await second.expect("Stopped watching\n> ");
    second.send("watch processes w2\n");
    await second.expect("Watching 1\n");
    await control.ask("signal w2 KILL");
    assert.match(await second.until("] "), /^closed:w2:\d+\.\d+:-9\n\] $/);
    second.send("\n");
    await second.expect("Nothing left to watch\n> ");
  });

  test("several watchers see the same output, and both acknowledge one position", async () => {
    const control = await open();
    await control.ask("make process w3 /bin/sh -c echo\\ both;\\ exec\\ sleep\\ 60");
    const watchers = await Promise.all([open(), open()]);
    for (const watcher of watchers) watcher.send("watch processes w3\n");
    for (const watcher of watchers) await watcher.until("both\n\n] ");
    for (const watcher of watchers) watcher.send("q\n");
    for (const watcher of watchers) await watcher.expect("Stopped watching\n> ");
    control.send("watch processes w3\n");
    await control.expect("Watching 1\n");
    control.send("q\n");
    await control.expect("Stopped watching\n> ");
    await control.ask("signal w3 KILL");
    await eventually(() => !served.kernel.processes.list(["w3"])[0]?.running, "the end of w3");
    await control.ask("remove processes w3");
  });

  test("no process, a missing one, a pattern, another line during a watch", async () => {
    const wire = await open();
    assert.equal(await wire.ask("watch processes nobody"), "Error: nobody not found");
    wire.send("watch processes nobody.*\n");
    await wire.expect("Watching 0\nNothing left to watch\n> ");
    await wire.ask("make process w4 /bin/sleep 60");
    wire.send("watch processes w4*\n");
    await wire.expect("Watching 1\n");
    wire.send("list values\n");
    await wire.expect("Error: Watching: an empty line goes on, q stops\n");
    wire.send("quit\n");
    await wire.expect("Stopped watching\n> ");
    await wire.ask("signal w4 9");
  });

  test("bytes of any kind arrive as they are", async () => {
    const wire = await open();
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
    const octal = [...bytes].map((value) => `\\${value.toString(8).padStart(3, "0")}`).join("");
    await wire.ask(`make process bytes /usr/bin/printf ${octal}`);
    wire.send("watch processes bytes\n");
    await wire.until(":256\n");
    assert.deepEqual(await wire.take(256), bytes);
    wire.send("q\n");
    await wire.until("Stopped watching\n> ");
  });
});

describe("additions", () => {
  test("claims at the prompt: granted in order, fenced, released by the connection's end", async () => {
    const [first, second, third] = [await open(), await open(), await open()];
    assert.match(await first.ask("claim job"), /^job epoch=1$/);
    assert.match(await first.ask("claim job"), /^job epoch=1$/);
    second.send("claim job\n");
    await second.expect("Waiting for job, q gives up\n");
    third.send("claim job\n");
    await third.expect("Waiting for job, q gives up\n");
    third.send("q\n");
    await third.expect("Stopped waiting\n> ");
    assert.match(
      await third.ask("list claims"),
      /^job epoch=1 pid=\d+ since=\d+\.\d{3} waiting=1$/,
    );
    first.socket.destroy();
    await second.expect("job epoch=2\n> ");
    assert.match(await third.ask("release job"), /^Error: .*--force/);
    assert.equal(await third.ask("release job --force"), "");
    assert.match(await third.ask("claim job"), /^job epoch=4$/);
    assert.equal(await third.ask("release job"), "");
    assert.equal(await third.ask("list claims"), "");
  });

  test("events at the prompt, from a number on", async () => {
    const wire = await open();
    const since = served.kernel.events.last;
    await wire.ask("set ev 1");
    wire.send(`events ${since}\n`);
    assert.match(
      await wire.until("\n"),
      new RegExp(`^${since + 1} \\d+\\.\\d{3} made value ev\n$`),
    );
    wire.send("q\n");
    await wire.expect("Stopped watching\n> ");
    await wire.ask("set ev");
  });

  test("status", async () => {
    const wire = await open();
    assert.match(
      await wire.ask("status"),
      /^version=test pid=\d+ uptime=[\d.]+ home=.*\nsockets=\d+ values=\d+ processes=\d+ claims=\d+\nmemory=\d+ last_event=\d+\nrecovery=taken after=nothing$/,
    );
  });

  test("the socket's file is closed to others", () => {
    assert.equal(statSync(served.home.kernelSocket).mode & 0o777, 0o600);
  });

  test("the same over IPv6 loopback and the Unix socket", async () => {
    const local = await Wire.open(scope, { path: served.home.kernelSocket });
    assert.equal(await local.ask("get nothing"), "");
    const reached = await new Promise<boolean>((resolve) => {
      const probe = connect({ port: served.server.port ?? 0, host: "::1" }, () => resolve(true));
      probe.on("error", () => resolve(false));
      scope.after(() => void probe.destroy());
    });
    if (!reached) return;
    const six = await Wire.open(scope, { port: served.server.port ?? 0, host: "::1" });
    assert.equal(await six.ask("get nothing"), "");
  });
});
