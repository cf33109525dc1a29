// The protocol page, byte by byte, through a plain TCP socket: session, words, sockets, values.
import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { freePort, temporaryDirectory } from "../../helpers/resources.ts";
import { fileScope, type Served, serveTestKernel, Wire } from "./wire.ts";

const scope = fileScope();
let served: Served;

before(async () => {
  served = await serveTestKernel(scope);
});
after(() => assert.deepEqual(served.logged, []));

const open = (): Promise<Wire> =>
  Wire.open(scope, { port: served.server.port ?? 0, host: "127.0.0.1" });

/** Sends text and checks the answer byte by byte. */
async function dialogue(
  wire: Wire,
  ...turns: readonly (readonly [string, string])[]
): Promise<void> {
  for (const [send, reply] of turns) {
    wire.send(send);
    await wire.expect(reply);
  }
  // An empty line is answered by the prompt alone, so no other bytes were in flight.
  wire.send("\n");
  await wire.expect("> ");
}

describe("session", () => {
  test("an empty line gets just the prompt; a return before the line end is ignored", async () => {
    const wire = await open();
    await dialogue(
      wire,
      ["\n", "> "],
      ["\r\n", "> "],
      ["   \n", "> "],
      ["get nothing\r\n", "\n> "],
    );
  });

  test("a failure is an Error line and the session continues", async () => {
    const wire = await open();
    await dialogue(
      wire,
      ["frobnicate now\n", 'Error: Unknown command "frobnicate"\n> '],
      [
        "list\n",
        'Error: "list" wants one of these after it: archived, claims, processes, sockets, values\n> ',
      ],
      ["make x\n", 'Error: Unknown command "make x"; after "make" may stand: process, socket\n> '],
      ["set s.a 1\n", "\n> "],
      ["get s.a\n", "1\n> "],
      ["set s.a\n", "\n> "],
    );
  });

  test("quit answers ok and closes", async () => {
    const wire = await open();
    wire.send("quit\nget never\n");
    await wire.expect("ok\n");
    await wire.expectEnd();
  });

  test("lines that arrive in pieces, or many at once, are answered in order", async () => {
    const wire = await open();
    for (const piece of ["se", "t p.", "a one", "\nge", "t p.a\nset p.a\nget p.a\n"]) {
      wire.send(piece);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await wire.expect("\n> one\n> \n> \n> ");
  });

  test("a request that was cut off is ignored", async () => {
    const wire = await open();
    wire.socket.end("set cut off");
    await wire.expectEnd();
    assert.equal(served.kernel.values.get("cut"), undefined);
  });

  test("exit-if-idle answers not idle while the kernel holds a value, and is not abbreviated", async () => {
    const wire = await open();
    await dialogue(
      wire,
      ["set idle no\n", "\n> "],
      ["exit-if-idle\n", "not idle\n> "],
      ["exit-if\n", 'Error: Unknown command "exit-if"\n> '],
      ["set idle\n", "\n> "],
    );
  });

  test("a browser's request is refused, and further lines are ignored", async () => {
    const wire = await open();
    wire.send("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nset evil yes\n");
    await wire.expect("Error: This is no web server\n> ");
    await wire.expectEnd();
    assert.equal(served.kernel.values.get("evil"), undefined);
  });
});

describe("words", () => {
  test("backslash and space, quotes, abbreviations", async () => {
    const wire = await open();
    await dialogue(
      wire,
      ["set w.a two   words\n", "\n> "],
      ["get w.a\n", "two words\n> "],
      ["set w.a a\\ \\ b c\\d\n", "\n> "],
      ["get w.a\n", "a  b c\\d\n> "],
      ['set w.a "C:\\"\n', "\n> "],
      ["get w.a\n", "C:\\\n> "],
      ["se w.a x=1 y\n", "\n> "],
      ["g w.a\n", "x=1 y\n> "],
      ["l v w.*\n", "w.a x=1 y\n> "],
      ["r v w.a\n", "\n> "],
      ["l v w.*\n", "\n> "],
    );
    const help = await wire.ask("h l p");
    assert.match(help, /^list processes /);
    assert.match(await wire.ask("h m s"), /^make socket /);
  });

  test("help: overview, one command, a thing; no line of it looks like a prompt", async () => {
    const wire = await open();
    const overview = await wire.ask("help");
    for (const name of ["make socket", "watch processes", "exit-if-idle", "claim", "status", "ack"])
      assert.match(overview, new RegExp(`^  ${name}\\b`, "m"));
    assert.doesNotMatch(overview, /^> /m);
    const process = await wire.ask("help process");
    for (const verb of ["list", "make", "remove", "watch"])
      assert.match(process, new RegExp(`^${verb} process`, "m"));
    assert.equal(await wire.ask("help nonsense"), 'Error: Unknown command "nonsense"');
  });
});

describe("sockets", () => {
  test("the reply and the list have the same line, and a repeated make returns the same socket", async () => {
    const wire = await open();
    const line = await wire.ask("make socket web");
    const match =
      /^web family=inet type=stream backlog=5 host=127\.0\.0\.1 port=(\d+) fileno=(\d+)$/.exec(
        line,
      );
    assert.ok(match, line);
    assert.equal(await wire.ask("list sockets web"), line);
    assert.equal(await wire.ask("make socket web port=0 backlog=5"), line);
    assert.equal(await wire.ask(`make socket web port=${match[1]}`), line);
    const other = await wire.ask("make socket web backlog=6");
    assert.match(other, /^Error: .*web exists with other settings: .*backlog/i);
    assert.equal(await wire.ask(`remove sockets ${match[2]}`), "");
    assert.equal(await wire.ask("remove sockets web"), "Error: web not found");
    assert.equal(await wire.ask("remove sockets none.*"), "");
  });

  test("a stream socket listens from the moment it is made, until it is removed", async () => {
    const wire = await open();
    const wanted = await freePort();
    await wire.ask(`make socket early port=${wanted} backlog=16`);
    const client = await Wire.connect(scope, { port: wanted, host: "127.0.0.1" });
    client.socket.destroy();
    await wire.ask("remove sockets early");
    await assert.rejects(Wire.connect(scope, { port: wanted, host: "127.0.0.1" }), {
      code: "ECONNREFUSED",
    });
  });

  test("families and types", async () => {
    const wire = await open();
    const lines = [
      [
        "make socket t6 family=inet6",
        /^t6 family=inet6 type=stream backlog=5 host=::1 port=\d+ fileno=\d+$/,
      ],
      [
        "make socket td type=dgram",
        /^td family=inet type=dgram backlog=5 host=127\.0\.0\.1 port=\d+ fileno=\d+$/,
      ],
      [
        "make socket tr reuseport=1",
        /^tr family=inet type=stream backlog=5 host=127\.0\.0\.1 port=\d+ reuseport=\S+$/,
      ],
    ] as const;
    for (const [ask, expected] of lines) assert.match(await wire.ask(ask), expected);
    const list = (await wire.ask("list sockets t*")).split("\n");
    assert.deepEqual(
      list.map((line) => line.split(" ")[0]),
      ["t6", "td", "tr"],
    );
    assert.equal(await wire.ask("remove sockets t*"), "");
  });

  test("a path makes it unix: absolute, with its mask, unlinked at the end", async () => {
    const wire = await open();
    const path = join(temporaryDirectory(scope), "s.sock");
    assert.match(
      await wire.ask(`make socket u path=${path} umask=077`),
      new RegExp(`^u family=unix type=stream backlog=5 path=${path} umask=63 fileno=\\d+$`),
    );
    assert.equal(statSync(path).mode & 0o777, 0o700);
    await wire.ask("remove sockets u");
    assert.equal(existsSync(path), false);
    assert.match(await wire.ask("make socket u path=relative.sock"), /^Error: .*absolute/);
  });

  test("the error of a wrong option names the expected value", async () => {
    const wire = await open();
    for (const [ask, error] of [
      [
        "make socket s port=http",
        /^Error: .*port must be a whole number from 0 to 65535, not "http"/,
      ],
      ["make socket s port=65536", /^Error: .*port must be/],
      ["make socket s type=fish", /^Error: .*type must be one of stream, dgram, /],
      ["make socket s speed=9", /^Error: make socket has no option "speed"; it has family, type, /],
      ["make socket s port=1 extra", /^Error: make socket does not take "extra"/],
      ["make socket", /^Error: make socket wants NAME/],
      ["make socket -x", /^Error: .*not a usable name/],
    ] as const)
      assert.match(await wire.ask(ask), error);
    assert.equal(await wire.ask("list sockets s"), "");
  });
});

describe("values", () => {
  test("set, get, list sorted, remove", async () => {
    const wire = await open();
    await dialogue(
      wire,
      ["set v.b 2\n", "\n> "],
      ["set v.a 1 and more\n", "\n> "],
      ["list values v.*\n", "v.a 1 and more\nv.b 2\n> "],
      ["list values v.b v.a\n", "v.a 1 and more\nv.b 2\n> "],
      ["list values other\n", "\n> "],
      ["get v.c\n", "\n> "],
      ["remove values\n", "Error: You cannot remove all variables\n> "],
      ["remove values *\n", "Error: You cannot remove all variables\n> "],
      ["remove values v.c\n", "Error: v.c not found\n> "],
      ["remove values v.a\n", "\n> "],
      ["list values\n", "v.b 2\n> "],
      ["remove values v.*\n", "\n> "],
      ["list values\n", "\n> "],
    );
  });
});
