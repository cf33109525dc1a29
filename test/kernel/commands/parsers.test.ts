import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { type ErrorCode } from "../../../src/base/error-codes.ts";
import { hasCode } from "../../../src/base/errors.ts";
import { title } from "../../../src/kernel/commands/command.ts";
import { EnvelopeError, parseEnvelope, parseRequest } from "../../../src/kernel/commands/json.ts";
import { COMMANDS } from "../../../src/kernel/commands/table.ts";
import { parseText, splitWords } from "../../../src/kernel/commands/text.ts";
import { wireKey } from "../../../src/kernel/commands/wire-key.ts";

const text = (line: string): { do: string; input: unknown } => {
  const { command, input } = parseText(COMMANDS, line);
  return { do: title(command), input };
};
const json = (request: object): { do: string; input: unknown } => {
  const { command, input } = parseRequest(
    COMMANDS,
    parseEnvelope(JSON.stringify({ id: 1, ...request })),
  );
  return { do: title(command), input };
};
const refused = (act: () => unknown, code: ErrorCode, message: RegExp): void => {
  assert.throws(act, (error) => {
    const cause = error instanceof EnvelopeError ? error.cause : error;
    assert.ok(hasCode(cause, code), String(cause));
    assert.match((cause as Error).message, message);
    return true;
  });
};

describe("both renderings are parsed to the same request", () => {
  const pairs: readonly (readonly [string, object])[] = [
    ["make socket web", { do: "make socket", name: "web" }],
    [
      "m s web family=INET6 type=SOCK_DGRAM backlog=9 host=::1 port=80 reuseport=1 interface=lo",
      {
        do: "make socket",
        name: "web",
        family: "inet6",
        type: "dgram",
        backlog: 9,
        host: "::1",
        port: 80,
        reuseport: true,
        interface: "lo",
      },
    ],
    ["m s u path=/a\\ b umask=077", { do: "make socket", name: "u", path: "/a b", umask: 0o77 }],
    ["m s u path=/a umask=63", { do: "make socket", name: "u", path: "/a", umask: "0o77" }],
    [
      'm p web uid=1 gid=www working_dir="/srv x\\" bufsize=64k stdout=0 stderr=stdout env.A=1 env.B.C="q=\\ r" rlimit.nofile=10 sockets=a,b listen_pid=1 notify=1 node a=b',
      {
        do: "make process",
        name: "web",
        uid: 1,
        gid: "www",
        working_dir: "/srv x\\",
        bufsize: "64k",
        stdout: false,
        stderr: "stdout",
        env: { A: "1", "B.C": "q= r" },
        rlimit: { nofile: 10 },
        sockets: ["a", "b"],
        listen_pid: true,
        notify: true,
        args: ["node", "a=b"],
      },
    ],
    ["set a b  c", { do: "set", name: "a", value: "b c" }],
    ["set a", { do: "set", name: "a" }],
    ["l p a b*", { do: "list processes", names: ["a", "b*"] }],
    ["r v a", { do: "remove values", names: ["a"] }],
    ["si web term group", { do: "signal", name: "web", signal: "SIGTERM", scope: "group" }],
    ["signal web 9", { do: "signal", name: "web", signal: 9 }],
    ["rel a --force", { do: "release", name: "a", force: true }],
    ["ev 12", { do: "events", since: 12 }],
    ["w p a", { do: "watch processes", names: ["a"] }],
  ];
  for (const [line, request] of pairs)
    test(line, () => {
      // The quotes that papa's client puts around a trailing backslash apply to one word.
      const written = line.replace('"/srv x\\"', '"/srv\\ x\\"');
      assert.deepEqual(text(written), json(request));
    });

  test("sizes are powers of 1024", () => {
    for (const [size, bytes] of [
      ["0", 0],
      ["4096", 4096],
      ["64k", 65_536],
      ["1m", 1_048_576],
      ["1g", 1_073_741_824],
    ] as const) {
      const expected = { name: "a", bufsize: bytes, args: ["x"] };
      assert.deepEqual(text(`m p a bufsize=${size} x`).input, expected);
      assert.deepEqual(
        json({ do: "make process", name: "a", bufsize: size, args: ["x"] }).input,
        expected,
      );
      assert.deepEqual(
        json({ do: "make process", name: "a", bufsize: bytes, args: ["x"] }).input,
        expected,
      );
    }
  });
});

describe("text", () => {
  test("words are split at spaces", () => {
    assert.deepEqual(splitWords("a  b\\ c \\ d\\\\ e\\"), ["a", "b c", " d\\ e\\"]);
    assert.deepEqual(splitWords("   "), []);
    assert.deepEqual(splitWords("a\tb"), ["a\tb"]);
  });

  test("every command can be shortened, and on a tie the alphabetically first of papa's words wins", () => {
    for (const [line, expected] of [
      ["e", "events"],
      ["g x", "get"],
      ["h", "help"],
      ["q", "quit"],
      ["s x", "set"],
      ["w p", "watch processes"],
      ["r p x", "remove processes"],
      ["r s x", "remove sockets"],
      ["l v", "list values"],
      ["l c", "list claims"],
      ["c x", "claim"],
      ["st", "status"],
      ["exit-if-idle", "exit-if-idle"],
    ] as const)
      assert.equal(text(line).do, expected, line);
  });

  test("every command is found by its words in full, except those for programs", () => {
    for (const command of COMMANDS) {
      const needed = Object.values(command.fields).filter(({ required }) => required);
      const line = [title(command), ...needed.map(() => "9")].join(" ");
      if (command.jsonOnly) refused(() => text(line), "NEWEL_E_COMMAND", /^Unknown command/);
      else assert.equal(text(line).do, title(command));
    }
  });

  test("the last value of a repeated key counts, and values keep their equals signs", () => {
    assert.deepEqual(text("m p a bufsize=1 bufsize=2 env.X=a=b x").input, {
      name: "a",
      bufsize: 2,
      env: { X: "a=b" },
      args: ["x"],
    });
  });

  test("names that are special as keys of an object are kept unchanged", () => {
    const { input } = text("m p a env.__proto__=1 env.constructor=2 x");
    const { env } = input as { env: Record<string, string> };
    assert.deepEqual(Object.entries(env), [
      ["__proto__", "1"],
      ["constructor", "2"],
    ]);
  });

  test("refusals name the expected input", () => {
    refused(() => text("m p a"), "NEWEL_E_COMMAND", /make process wants ARGS: the program/);
    refused(() => text("m p a speed=1 x"), "NEWEL_E_COMMAND", /no option "speed"; it has uid, gid/);
    refused(() => text("m p a env.=1 x"), "NEWEL_E_BAD_REQUEST", /env has the key ""/);
    refused(() => text("signal a NOPE"), "NEWEL_E_BAD_REQUEST", /signal must be a signal such as/);
    refused(() => text("signal a 65"), "NEWEL_E_BAD_REQUEST", /0 to 64/);
    refused(() => text(`set a ${"b ".repeat(20_000)}`), "NEWEL_E_LIMIT", /16384 words/);
  });
});

describe("JSON", () => {
  test("unknown keys and wrong types are refused by name", () => {
    const make = { do: "make process", name: "a", args: ["x"] };
    refused(
      () => json({ ...make, workingDir: "/" }),
      "NEWEL_E_BAD_REQUEST",
      /no key "workingDir"; it has .*working_dir/,
    );
    refused(
      () => json({ ...make, working_dir: 1 }),
      "NEWEL_E_BAD_REQUEST",
      /working_dir must be text, not 1/,
    );
    refused(
      () => json({ ...make, env: { A: 1 } }),
      "NEWEL_E_BAD_REQUEST",
      /env\.A must be text, not 1/,
    );
    refused(
      () => json({ ...make, env: ["A"] }),
      "NEWEL_E_BAD_REQUEST",
      /env must be an object, not a list/,
    );
    refused(
      () => json({ ...make, env: { "A=B": "1" } }),
      "NEWEL_E_BAD_REQUEST",
      /env has the key "A=B"/,
    );
    refused(
      () => json({ ...make, args: "x" }),
      "NEWEL_E_BAD_REQUEST",
      /args must be a list of strings, not "x"/,
    );
    refused(
      () => json({ ...make, args: ["x", null] }),
      "NEWEL_E_BAD_REQUEST",
      /args\[1\] must be text, not null/,
    );
    refused(() => json({ ...make, args: [] }), "NEWEL_E_BAD_REQUEST", /wants args/);
    refused(() => json({ ...make, args: ["a\0b"] }), "NEWEL_E_BAD_REQUEST", /args\[0\] has a NUL/);
    refused(() => json({ ...make, bufsize: -1 }), "NEWEL_E_BAD_REQUEST", /bufsize must be a size/);
    refused(() => json({ ...make, uid: 2 ** 32 }), "NEWEL_E_BAD_REQUEST", /uid/);
    refused(() => json({ do: "make process", args: ["x"] }), "NEWEL_E_BAD_REQUEST", /wants name/);
    refused(() => json({ do: "m p" }), "NEWEL_E_COMMAND", /Unknown command "m p"/);
    refused(() => json({ do: "list process" }), "NEWEL_E_COMMAND", /did you mean "list processes"/);
    refused(() => json({ do: 5 }), "NEWEL_E_BAD_REQUEST", /do must be a text/);
    refused(() => parseEnvelope('{"id":{},"do":"help"}'), "NEWEL_E_BAD_REQUEST", /id must be/);
    refused(() => parseEnvelope('{"id":1'), "NEWEL_E_BAD_REQUEST", /not JSON/);
    refused(
      () => parseEnvelope(`{"id":1,"a":${"[".repeat(1_000_000)}`),
      "NEWEL_E_LIMIT",
      /16 levels/,
    );
    refused(
      () => json({ do: "list values", names: Array.from({ length: 20_000 }, () => "a") }),
      "NEWEL_E_LIMIT",
      /16384 entries/,
    );
  });

  test("brackets inside texts do not count as nesting", () => {
    const { input } = json({ do: "set", name: "a", value: '"\\[{'.repeat(100) });
    assert.deepEqual(input, { name: "a", value: '"\\[{'.repeat(100) });
  });

  test("any text is safe in a value or argument", () => {
    const odd = 'a\n> b "c" \\ é 𝄞 \r\n';
    assert.deepEqual(json({ do: "set", name: "a", value: odd }).input, { name: "a", value: odd });
    assert.deepEqual(json({ do: "make process", name: "a", args: ["x", odd] }).input, {
      name: "a",
      args: ["x", odd],
    });
  });

  test("keys are the options of the text form", () => {
    assert.deepEqual(["workingDir", "listenPid", "rlimits", "bufsize"].map(wireKey), [
      "working_dir",
      "listen_pid",
      "rlimit",
      "bufsize",
    ]);
  });
});
