// The line protocol as described by papa's documentation and the reference, a sentence a test: session,
// words, sockets, values.
import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { freePort, temporaryDirectory } from "../helpers/resources.ts";
import { Prompt } from "./session/prompt.ts";
import { fileScope, serveTestKernel, Wire } from "./session/wire.ts";

const scope = fileScope();
let prompt: Prompt;

before(async () => {
  prompt = await Prompt.open(scope);
});
after(() => assert.deepEqual(prompt.served.logged, []));

describe("session", () => {
  test("on connect the kernel sends one greeting line, then the prompt", async () => {
    const other = await Wire.connect(scope, {
      port: prompt.served.server.port ?? 0,
      host: "127.0.0.1",
    });
    assert.match(await other.until("> "), /^[^\n]+\n> $/);
  });
  test("one request a line; a return before the line end is ignored", async () => {
    prompt.wire.send("set s.r 1\r\nget s.r\r\n");
    await prompt.wire.expect("\n> 1\n> ");
  });
  test("an empty line gets just the prompt", async () => {
    prompt.wire.send("\n\n");
    await prompt.wire.expect("> > ");
  });
  test("a failure is Error, a message and the prompt; the session continues", async () => {
    prompt.wire.send("nonsense\nget s.r\n");
    await prompt.wire.expect('Error: Unknown command "nonsense"\n> 1\n> ');
  });
  test("a command without output answers an empty line", async () => {
    prompt.wire.send("get s.none\n");
    await prompt.wire.expect("\n> ");
  });
  test("quit answers ok and closes the connection", async () => {
    const other = await prompt.another();
    other.send("quit\n");
    await other.expect("ok\n");
    await other.expectEnd();
  });
  test("exit-if-idle answers not idle while the kernel holds a value, process or socket, and cannot be abbreviated", async () => {
    assert.equal(await prompt.ask("exit-if-idle"), "not idle");
    assert.match(await prompt.ask("exit-if"), /^Error: Unknown command "exit-if"/);
  });
  test("exit-if-idle of an idle kernel answers Exiting, closes, and the kernel ends", async () => {
    const idle = await serveTestKernel(scope);
    const other = await Wire.open(scope, { path: idle.home.kernelSocket });
    other.send("exit-if-idle\n");
    assert.match(await other.until("\n> "), /^Exiting .*\n> $/);
    await other.expectEnd();
    await idle.server.unused;
  });
});

describe("words", () => {
  test("a word that ends in a backslash is continued by the next one", async () => {
    await prompt.ask("set w.a one\\ two three");
    assert.equal(await prompt.ask("get w.a"), "one two three");
  });
  test("a value wrapped in double quotes loses them, and keeps a trailing backslash", async () => {
    assert.equal(
      await prompt.outputOf("w.q", 'printf %s "$A|$B"', 'env.A="x" env.B="y\\"'),
      "x|y\\",
    );
  });
  test("the first word without = ends the options", async () => {
    assert.equal(await prompt.outputOf("w.o", "printf %s $0", "env.A=1"), "/bin/sh");
    await prompt.ask("make process w.e /bin/echo bufsize=1");
    await prompt.isOver("w.e");
    assert.match(await prompt.watchAll("w.e"), /\nbufsize=1\n/);
  });
  test("every command word may be shortened; on a tie the alphabetically first wins", async () => {
    for (const [short, long] of [
      ["l p", "list processes"],
      ["h l p", "help list processes"],
      ["l s w*", "list sockets w*"],
      ["g w.a", "get w.a"],
    ] as const)
      assert.equal(await prompt.ask(short), await prompt.ask(long));
    assert.match(await prompt.ask("m s w.short"), /^w\.short family=inet/);
    assert.equal(await prompt.ask("r s w.short"), "");
    await prompt.ask("s w.gone 1");
    assert.equal(await prompt.ask("r v w.gone"), "");
    assert.equal(await prompt.ask("w p none.*"), await prompt.ask("watch processes none.*"));
  });
  test("an unknown second word is an error that lists the possible words", async () => {
    assert.match(await prompt.ask("list things"), /^Error: .*claims, processes, sockets, values/);
  });
  test("list without a pattern or with * lists all, and a pattern without a match lists nothing", async () => {
    await prompt.ask("set p.a 1");
    assert.equal(await prompt.ask("list values"), await prompt.ask("list values *"));
    assert.equal(await prompt.ask("list values p.*"), "p.a 1");
    assert.equal(await prompt.ask("list values none.*"), "");
    assert.equal(await prompt.ask("list values none"), "");
  });
  test("for remove and watch a literal name that does not exist is an error", async () => {
    for (const command of [
      "remove sockets none",
      "remove values none",
      "remove processes none",
      "watch processes none",
    ])
      assert.equal(await prompt.ask(command), "Error: none not found", command);
    assert.equal(await prompt.ask("remove sockets none*"), "");
  });
});

describe("sockets", () => {
  test("by default a TCP socket of a loopback port that the system chooses, named in the reply", async () => {
    const line = await prompt.ask("make socket k.a");
    assert.match(
      line,
      /^k\.a family=inet type=stream backlog=5 host=127\.0\.0\.1 port=[1-9]\d* fileno=\d+$/,
    );
  });
  test("the default host is loopback, or the wildcard if interface is given", async () => {
    assert.match(await prompt.ask("make socket k.6 family=inet6"), / host=::1 /);
    assert.match(
      await prompt.ask("make socket k.i interface=lo"),
      /^k\.i family=inet type=stream backlog=5 host=0\.0\.0\.0 port=\d+ interface=lo fileno=\d+$/,
    );
    assert.match(
      await prompt.ask("make socket k.i6 family=inet6 interface=lo"),
      / host=:: port=\d+ /,
    );
  });
  test("a stream socket is listening from the moment it is made", async () => {
    const port = await freePort();
    await prompt.ask(`make socket k.l port=${port}`);
    (await Wire.connect(scope, { port, host: "127.0.0.1" })).socket.destroy();
  });
  test("a path must be absolute, makes it unix, and is unlinked when it is removed", async () => {
    const path = join(temporaryDirectory(scope), "s");
    assert.match(await prompt.ask("make socket k.u path=s"), /^Error: .*absolute/);
    assert.match(
      await prompt.ask(`make socket k.u path=${path} umask=077`),
      new RegExp(`^k\\.u family=unix type=stream backlog=5 path=${path} umask=63 fileno=\\d+$`),
    );
    assert.equal(statSync(path).mode & 0o777, 0o700);
    assert.equal(await prompt.ask("remove sockets k.u"), "");
    assert.ok(!existsSync(path));
  });
  test("made again with the same settings the existing one is the reply; a port of 0 matches any", async () => {
    const line = await prompt.ask("list sockets k.a");
    assert.equal(await prompt.ask("make socket k.a"), line);
    assert.equal(await prompt.ask("make socket k.a port=0 reuseport=1"), line);
    assert.equal(await prompt.ask(`make socket k.a port=${/port=(\d+)/.exec(line)?.[1]}`), line);
  });
  test("with other settings: an error that shows the existing one", async () => {
    assert.match(await prompt.ask("make socket k.a backlog=9"), /^Error: .*k\.a.*"backlog":5/);
    assert.match(await prompt.ask("make socket k.a port=1"), /^Error: .*k\.a/);
  });
  test("reuseport: no fileno, another socket for each process", async () => {
    assert.match(await prompt.ask("make socket k.r reuseport=1"), /port=\d+ reuseport=\S+$/);
  });
  test("remove takes names, patterns and file numbers; list lines are sorted", async () => {
    const names = (await prompt.ask("list sockets k.*"))
      .split("\n")
      .map((line) => line.split(" ")[0]);
    assert.deepEqual(
      names,
      names.toSorted((a = "", b = "") => (a < b ? -1 : 1)),
    );
    const fileno = /fileno=(\d+)/.exec(await prompt.ask("list sockets k.6"))?.[1];
    assert.equal(await prompt.ask(`remove sockets ${fileno}`), "");
    assert.equal(await prompt.ask("list sockets k.6"), "");
    assert.equal(await prompt.ask("remove sockets k.*"), "");
    assert.equal(await prompt.ask("list sockets k.*"), "");
  });
  test("removing closes the kernel's copy; processes that have it keep it", async () => {
    const port = /port=(\d+)/.exec(await prompt.ask("make socket k.kept"))?.[1];
    await prompt.ask("make process k.holder /bin/sh -c exec\\ sleep\\ 60 $(socket.k.kept.fileno)");
    await prompt.ask("remove sockets k.kept");
    const client = connect({ port: Number(port), host: "127.0.0.1" });
    await new Promise((resolve, reject) => client.once("connect", resolve).once("error", reject));
    client.destroy();
    await prompt.ask("signal k.holder KILL");
  });
});

describe("values", () => {
  test("set joins the words with one space; set with a name alone clears", async () => {
    await prompt.ask("set v.a   many   words");
    assert.equal(await prompt.ask("get v.a"), "many words");
    assert.equal(await prompt.ask("set v.a"), "");
    assert.equal(await prompt.ask("get v.a"), "");
  });
  test("list gives sorted lines; remove with no pattern or * alone is an error", async () => {
    await prompt.ask("set v.2 b");
    await prompt.ask("set v.1 a");
    assert.equal(await prompt.ask("list values v.*"), "v.1 a\nv.2 b");
    for (const all of ["remove values", "remove values *"])
      assert.equal(await prompt.ask(all), "Error: You cannot remove all variables");
    assert.equal(await prompt.ask("remove values v.*"), "");
    assert.equal(await prompt.ask("list values v.*"), "");
  });
});
