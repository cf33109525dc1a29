import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, renameSync, statSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

import { isNewelError } from "../../src/base/errors.ts";
import { callContext, defineContract, type Contract } from "../../src/wire/contract.ts";
import { FrameFlag, FrameType, PROTOCOL_VERSION } from "../../src/wire/frames.ts";
import type { WireLimits } from "../../src/wire/limits.ts";
import type { ServeOptions, WireServer } from "../../src/wire/server.ts";
import { connectUnix, serveUnix } from "../../src/wire/unix.ts";
import { eventually, startProcess, temporaryDirectory, type Scope } from "../helpers/resources.ts";
import { codeOf, frame, HELLO, HostilePeer, tagged } from "./hostile-peer.ts";

interface Target {
  echo(...values: unknown[]): unknown;
  big(bytes: number): Buffer;
  hang(): Promise<void>;
  count(): AsyncIterable<number>;
}

const TARGET: Contract<Target> = defineContract<Target>()({
  name: "target",
  version: 1,
  calls: ["echo", "big", "hang"],
  streams: ["count"],
});

/** Methods that no contract names, one of them of a base class. */
class Base {
  secrets(): string {
    return "secret";
  }
}

class Implementation extends Base implements Target {
  received: unknown[] = [];
  bigs = 0;

  echo(...values: unknown[]): unknown {
    this.received.push(...values);
    return values.length;
  }

  big(bytes: number): Buffer {
    this.bigs += 1;
    return Buffer.alloc(bytes);
  }

  hang(): Promise<void> {
    const { signal } = callContext();
    return new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve());
    });
  }

  async *count(): AsyncGenerator<number> {
    for (let number = 0; ; number += 1) yield number;
  }

  _private(): string {
    return "private";
  }
}

interface Field {
  readonly path: string;
  readonly server: WireServer;
  readonly implementation: Implementation;
  readonly refusals: Error[];
}

async function serve(
  t: Scope,
  limits: Partial<WireLimits> = {},
  more: ServeOptions = {},
): Promise<Field> {
  const path = join(temporaryDirectory(t), "x.sock");
  const implementation = new Implementation();
  const refusals: Error[] = [];
  const onRefused = (error: Error): void => void refusals.push(error);
  const server = await serveUnix(path, TARGET, implementation, { limits, onRefused, ...more });
  t.after(() => server.close(0));
  return { path, server, implementation, refusals };
}

/** Checks that a well-behaved client is still served. */
async function assertServes(path: string): Promise<void> {
  await using connection = await connectUnix(path, TARGET);
  assert.equal(await connection.remote.echo(1, 2), 2);
}

const call = (body: string | Buffer, flags = 0): Buffer =>
  frame(FrameType.CALL, body, { id: 1, flags });

const deep = "[".repeat(100_000) + "]".repeat(100_000);

const BROKEN: Readonly<Record<string, readonly Buffer[]>> = {
  "a body of 4 GB": [HELLO, Buffer.from("ffffffff0200000001000000000000", "hex"), Buffer.alloc(1)],
  "a HELLO of 4 GB": [Buffer.from("ffffffff010000000100000000000000", "hex")],
  "another frame before HELLO": [call("[]")],
  "an HTTP request": [Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")],
  "a second HELLO": [HELLO, HELLO],
  "an unknown type": [HELLO, frame(99)],
  "the type 0": [HELLO, frame(0)],
  "a HELLO that is a list": [frame(FrameType.HELLO, "[]", { aux: PROTOCOL_VERSION })],
  "a HELLO that takes no bytes": [
    frame(FrameType.HELLO, HELLO.subarray(16).toString().replace("1000000", "0"), {
      aux: PROTOCOL_VERSION,
    }),
  ],
  "a HELLO with an endless window": [
    frame(
      FrameType.HELLO,
      HELLO.subarray(16)
        .toString()
        .replace(/"streamWindow":256/, '"streamWindow":1e15'),
      {
        aux: PROTOCOL_VERSION,
      },
    ),
  ],
  "arguments that are no JSON": [HELLO, call("[1,")],
  "arguments that are no list": [HELLO, call('{"length":1}')],
  "100,000 lists within each other": [HELLO, call(`[${deep}]`)],
  "the same as tagged JSON": [HELLO, call(tagged(`[${deep}]`), FrameFlag.TAGGED)],
  "an unknown tag": [HELLO, call(tagged('[{"$":"eval","v":"1"}]'), FrameFlag.TAGGED)],
  "the tag constructor": [HELLO, call(tagged('[{"$":"constructor"}]'), FrameFlag.TAGGED)],
  "a tag that is an object": [HELLO, call(tagged('[{"$":{"$":1}}]'), FrameFlag.TAGGED)],
  "a bigint with other characters": [
    HELLO,
    call(tagged('[{"$":"bigint","v":"0x1"}]'), FrameFlag.TAGGED),
  ],
  "a regular expression that is none": [
    HELLO,
    call(tagged('[{"$":"regexp","v":["(","g"]}]'), FrameFlag.TAGGED),
  ],
  "a list of 4 billion holes": [
    HELLO,
    call(tagged('[{"$":"list","v":[4294967295,{}]}]'), FrameFlag.TAGGED),
  ],
  "a reference to an object that has not come": [
    HELLO,
    call(tagged('[{"$":"ref","v":7}]'), FrameFlag.TAGGED),
  ],
  "memory that nobody handed over": [
    HELLO,
    call(tagged('[{"$":"shared","v":[0,"Uint8Array",0,8]}]'), FrameFlag.TAGGED),
  ],
  "a part that does not exist": [
    HELLO,
    call(tagged('[{"$":"bytes","v":[7,"Buffer"]}]'), FrameFlag.TAGGED),
  ],
  "a part longer than its frame": [
    HELLO,
    call(
      tagged('[{"$":"bytes","v":[0,"Buffer"]}]', [Buffer.alloc(4)], [4_000_000_000]),
      FrameFlag.TAGGED,
    ),
  ],
  "half an element": [
    HELLO,
    call(tagged('[{"$":"bytes","v":[0,"Float64Array"]}]', [Buffer.alloc(9)]), FrameFlag.TAGGED),
  ],
  "2,000 parts": [
    HELLO,
    call(
      tagged(
        "[]",
        Array.from({ length: 2_000 }, () => Buffer.alloc(1)),
      ),
      FrameFlag.TAGGED,
    ),
  ],
  "a tagged body of 3 bytes": [HELLO, call("abc", FrameFlag.TAGGED)],
  "a reference of 2 bytes": [HELLO, call("ab", FrameFlag.REFERENCE)],
  "2,000 functions": [
    HELLO,
    call(
      tagged(`[${Array.from({ length: 2_000 }, (_, v) => `{"$":"function","v":${v}}`).join(",")}]`),
      FrameFlag.TAGGED,
    ),
  ],
  "the number of a call that runs": [
    HELLO,
    frame(FrameType.CALL, "", { id: 5, method: 2 }),
    frame(FrameType.CALL, "", { id: 5, method: 2 }),
  ],
  "an answer to no call": [HELLO, frame(FrameType.OK, "", { id: 9 })],
  "an item of no stream": [HELLO, frame(FrameType.ITEM, "", { id: 9 })],
  "an end of no stream": [HELLO, frame(FrameType.END, "", { id: 9 })],
  "credit beyond the window": [
    HELLO,
    frame(FrameType.STREAM, "", { id: 1, method: 3 }),
    frame(FrameType.CREDIT, "", { id: 1, aux: 0xffff_ffff }),
  ],
};

test("a peer that breaks the protocol gets an error and is disconnected; the others continue", async (t) => {
  const { path, refusals, server } = await serve(t);
  for (const [name, bytes] of Object.entries(BROKEN)) {
    const peer = await HostilePeer.connect(path);
    assert.equal(await peer.provoke(...bytes), "NEWEL_E_FRAME", name);
  }
  await assertServes(path);
  await eventually(() => server.connections === 0, "nothing is left of them");
  assert.equal(refusals.length, Object.keys(BROKEN).length);
  assert.ok(refusals.every(isNewelError));
});

test("the error names another version of the protocol", async (t) => {
  const { path } = await serve(t);
  const peer = await HostilePeer.connect(path);
  const code = await peer.provoke(frame(FrameType.HELLO, "what it is then", { aux: 77 }));
  assert.equal(code, "NEWEL_E_VERSION_SKEW");
});

test("only the methods of the contract can be called", async (t) => {
  const { path } = await serve(t);
  const peer = await HostilePeer.connect(path);
  peer.socket.write(HELLO);
  for (let method = 4; method < 12; method += 1)
    peer.socket.write(frame(FrameType.CALL, "", { id: method, method }));
  peer.socket.write(frame(FrameType.CALL, "", { id: 90, method: 65_535 }));
  peer.socket.write(frame(FrameType.STREAM, "", { id: 91, method: 0 }));
  peer.socket.write(frame(FrameType.CALL, "", { id: 92, method: 3 }));
  const reference = Buffer.from([1, 0, 0, 0]);
  peer.socket.write(frame(FrameType.CALL, reference, { id: 93, flags: FrameFlag.REFERENCE }));
  await eventually(() => peer.answers.length === 13, "HELLO and 12 answers");
  const [hello, ...answers] = peer.answers;
  assert.ok(hello !== undefined);
  const { serves } = hello.value as { serves: { methods: [string][] } };
  assert.deepEqual(
    serves.methods.map(([name]) => name),
    ["echo", "big", "hang", "count"],
  );
  for (const { type, id, value } of answers)
    assert.deepEqual([type, codeOf(value)], [FrameType.ERR, "NEWEL_E_NO_METHOD"], `call ${id}`);
  peer.socket.destroy();
});

test("__proto__ is dropped in every spelling", async (t) => {
  const { path, implementation } = await serve(t);
  const peer = await HostilePeer.connect(path);
  const bodies = [
    '[{"a":1,"__proto__":{"polluted":1}}]',
    '[{"a":1,"\\u005f_proto__":{"polluted":1}}]',
    '[{"a":1,"__prot\\u006f__":{"polluted":1}}]',
    `[{"a":1,"x":${JSON.stringify("y".repeat(500))},"__prot\\u006f__":{"polluted":1}}]`,
  ];
  const rest = '"a":{"$":"undefined"},"__proto__":{"polluted":1}';
  const taggedBodies = [
    `[{${rest}}]`,
    '[{"$":"object","v":[["a",1],["__proto__",{"polluted":1}]]}]',
    `[{"$":"error","v":{"message":"x","__proto__":{"polluted":1},"toString":1}}]`,
  ];
  peer.socket.write(HELLO);
  for (const body of bodies) peer.socket.write(call(body));
  for (const body of taggedBodies) peer.socket.write(call(tagged(body), FrameFlag.TAGGED));
  await eventually(() => implementation.received.length === 7, "all arrived");
  for (const value of implementation.received) {
    assert.ok(typeof value === "object" && value !== null);
    assert.ok(!Object.hasOwn(value, "__proto__"), JSON.stringify(value));
    const copy = Object.assign({}, value);
    assert.equal("polluted" in copy, false, JSON.stringify(value));
  }
  assert.equal("polluted" in {}, false);
  peer.socket.destroy();
});

test("a peer that does not read gets no more than its limits allow", async (t) => {
  const { path, implementation } = await serve(t);
  const peer = await HostilePeer.connect(path);
  peer.socket.pause();
  peer.socket.write(HELLO);
  for (let id = 0; id < 5_000; id += 1)
    peer.socket.write(frame(FrameType.CALL, "[900000]", { id, method: 1 }));
  await eventually(() => implementation.bigs > 0, "the first were read");
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(implementation.bigs < 10, `${implementation.bigs} of 5,000 answers were made`);
  await assertServes(path);
  peer.socket.resume();
  await eventually(() => implementation.bigs > 50, "it goes on as the peer reads");
  peer.socket.destroy();
});

test("calls beyond the limit are refused one by one, streams too", async (t) => {
  const { path } = await serve(t, { maxCalls: 3, maxStreams: 2 });
  const peer = await HostilePeer.connect(path);
  peer.socket.write(HELLO);
  for (let id = 0; id < 5; id += 1) peer.socket.write(frame(FrameType.CALL, "", { id, method: 2 }));
  for (let id = 10; id < 14; id += 1)
    peer.socket.write(frame(FrameType.STREAM, "", { id, method: 3 }));
  const refused = (): number[] =>
    peer.answers.filter(({ type }) => type === FrameType.ERR).map(({ id }) => id);
  await eventually(() => refused().length === 4, "those beyond");
  assert.deepEqual(new Set(refused()), new Set([3, 4, 12, 13]));
  for (const { value, type } of peer.answers)
    if (type === FrameType.ERR) assert.equal(codeOf(value), "NEWEL_E_LIMIT");
  peer.socket.destroy();
});

test("half a request, no HELLO and silence end in time; an idle connection stays", async (t) => {
  // A server for each limit: on a busy machine a peer could exceed another limit first.
  const connect = async (limits: Partial<WireLimits>): Promise<HostilePeer> =>
    HostilePeer.connect((await serve(t, { helloMs: 60_000, ...limits })).path);
  const half = await connect({ frameMs: 100 });
  const silent = await connect({ helloMs: 150 });
  const deaf = await connect({ heartbeatMs: 50 });
  const codes = await Promise.all([
    silent.provoke(),
    half.provoke(HELLO, call("[1,2,3]").subarray(0, 20)),
    deaf.provoke(HELLO),
  ]);
  assert.deepEqual(codes, ["NEWEL_E_DEADLINE", "NEWEL_E_FRAME", "NEWEL_E_DEADLINE"]);
  assert.ok(deaf.answers.some(({ type }) => type === FrameType.PING));
  const { path, server } = await serve(t, { frameMs: 100, helloMs: 150, heartbeatMs: 50 });
  await using idle = await connectUnix(path, TARGET);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(server.connections, 1);
  assert.equal(await idle.remote.echo(), 0);
});

test("more connections than allowed are closed on arrival, with the reason", async (t) => {
  const { path, refusals } = await serve(t, {}, { maxConnections: 2 });
  await using first = await connectUnix(path, TARGET);
  await using _ = await connectUnix(path, TARGET);
  await assert.rejects(connectUnix(path, TARGET), {
    code: "NEWEL_E_LIMIT",
    message: /number of connections/,
  });
  assert.equal(await first.remote.echo(1), 1);
  await eventually(() => refusals.length === 1, "it is reported");
  assert.equal(codeOf(refusals[0]), "NEWEL_E_LIMIT");
});

test("a client checks its server in the same way", async (t) => {
  const path = join(temporaryDirectory(t), "fake.sock");
  let behave: (socket: Socket) => void = () => undefined;
  const fake = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    behave(socket);
  }).listen(path);
  await once(fake, "listening");
  t.after(() => fake.close());
  const methods = [
    ["echo", "call"],
    ["big", "call"],
    ["hang", "call"],
    ["count", "stream"],
  ];
  const { limits } = JSON.parse(HELLO.subarray(16).toString()) as { limits: object };
  const serves = { name: "target", version: 1, methods };
  const hello = frame(FrameType.HELLO, JSON.stringify({ serves, limits }), {
    aux: PROTOCOL_VERSION,
  });

  behave = (socket) => socket.end("220 ready\r\n");
  await assert.rejects(connectUnix(path, TARGET), { code: /NEWEL_E_(FRAME|UNREACHABLE)/ });
  behave = () => undefined;
  await assert.rejects(connectUnix(path, TARGET, { timeoutMs: 100 }), {
    code: "NEWEL_E_UNREACHABLE",
  });

  const items = Array.from({ length: 300 }, () => frame(FrameType.ITEM, "1"));
  for (const bytes of [
    Buffer.concat(items),
    frame(FrameType.OK, "1"),
    frame(FrameType.ERR, tagged('[{"$":"error"}]'), { flags: FrameFlag.TAGGED }),
    frame(FrameType.ITEM, "{"),
  ]) {
    behave = (socket) => {
      socket.write(hello);
      // The call has arrived by then, with the client's HELLO or after it.
      socket.once("data", () => setTimeout(() => socket.write(bytes), 50));
    };
    const connection = await connectUnix(path, TARGET);
    const numbers = connection.remote.count();
    await assert.rejects(
      async () => {
        for (;;) if ((await numbers.next()).done === true) return;
      },
      { code: "NEWEL_E_CONNECTION_LOST" },
    );
    assert.equal(codeOf(await connection.closed), "NEWEL_E_FRAME");
  }
});

test("the socket is accessible to its owner alone, and a live server is not replaced", async (t) => {
  const { path, server } = await serve(t);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await assert.rejects(serveUnix(path, TARGET, new Implementation()), {
    code: "NEWEL_E_ADDRESS_IN_USE",
  });
  await assertServes(path);
  await server.close();
  await assert.rejects(connectUnix(path, TARGET), { code: "NEWEL_E_UNREACHABLE" });
  await assert.rejects(connectUnix("/tmp/" + "x".repeat(200), TARGET), {
    code: "NEWEL_E_HOME_PATH",
  });
});

test("the socket of a dead server is replaced", async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, "x.sock");
  const dead = createServer().listen(join(directory, "y.sock"));
  await once(dead, "listening");
  // Under another name its file survives, as it does when a server is killed.
  renameSync(join(directory, "y.sock"), path);
  dead.close();
  await assert.rejects(connectUnix(path, TARGET), { code: "NEWEL_E_UNREACHABLE" });
  await using _ = await serveUnix(path, TARGET, new Implementation());
  await assertServes(path);
});

test("another user is refused by uid", async (t) => {
  // Only root can become another user to try it; the mode of the file is tested above for all
  // users.
  if (process.getuid?.() !== 0) return;
  const { path, refusals } = await serve(t);
  chmodSync(path, 0o666);
  chmodSync(join(path, ".."), 0o777);
  const script = `require("net").connect(process.argv[1]).on("close", () => process.exit(7)).on("error", () => {})`;
  const options = { uid: 65_534, gid: 65_534 };
  const child = startProcess(t, process.execPath, ["-e", script, path], options);
  const [code] = (await once(child, "exit")) as [number];
  assert.equal(code, 7);
  await eventually(() => refusals.length === 1, "it is reported");
  assert.equal(codeOf(refusals[0]), "NEWEL_E_REFUSED_UID");
});
