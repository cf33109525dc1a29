import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readFileSync, readlinkSync, writeSync } from "node:fs";
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";

import { duplicate, setCloseOnExec } from "../../src/posix/descriptors.ts";
import { Epoll } from "../../src/posix/epoll.ts";
import {
  makeFifo,
  openFifoHolder,
  openFifoReader,
  pipeFill,
  resizePipe,
  spliceToFile,
} from "../../src/posix/fifo.ts";
import { errnoName, isErrno, lastErrno, libc } from "../../src/posix/libc.ts";
import { lockFile } from "../../src/posix/lock.ts";
import { openPidfd, reapOne, signalPidfd } from "../../src/posix/process.ts";
import { bindSocket, boundPort, listen } from "../../src/posix/sockets.ts";
import { spawnProcess } from "../../src/posix/spawn.ts";
import { eventually, startProcess, temporaryDirectory } from "../helpers/resources.ts";

test("a socket listens from the moment it is made, and queues connections that no process accepts", async (t) => {
  for (const address of [
    { family: "inet", host: "127.0.0.1", port: 0 },
    { family: "inet6", host: "::1", port: 0 },
    { family: "inet6", host: "::", port: 0 },
  ] as const) {
    const fd = bindSocket(address, { type: "stream", reuseport: true });
    t.after(() => closeSync(fd));
    listen(fd, 16);
    const port = boundPort(fd);
    assert.ok(port > 0);
    const client = connect(
      port,
      address.family === "inet" || address.host === "::" ? "127.0.0.1" : "::1",
    );
    await once(client, "connect");
    client.destroy();
  }
});

test("a Unix socket is bound at its path", async (t) => {
  const path = join(temporaryDirectory(t), "s.sock");
  const fd = bindSocket({ family: "unix", path }, { type: "stream" });
  t.after(() => closeSync(fd));
  listen(fd, 16);
  const client = connect(path);
  await once(client, "connect");
  client.destroy();
});

test("an address in use is a coded error with its errno", async (t) => {
  const server = createServer().listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  assert.throws(
    () => bindSocket({ family: "inet", host: "127.0.0.1", port }, { type: "stream" }),
    (error: unknown) => isErrno(error, "EADDRINUSE") && /127\.0\.0\.1/.test(String(error)),
  );
});

test("bytes go from a FIFO to an offset of a file without being read", async (t) => {
  const directory = temporaryDirectory(t);
  makeFifo(join(directory, "f"));
  const reader = openFifoReader(join(directory, "f"));
  const holder = openFifoHolder(join(directory, "f"));
  const file = openSync(join(directory, "out"), "w+");
  t.after(() => [reader, file].forEach((fd) => closeSync(fd)));
  assert.equal((await spliceToFile(reader, file, 0, 65_536)).errno, 11, "EAGAIN while it is empty");
  writeSync(holder, "hello");
  assert.equal(pipeFill(reader), 5);
  assert.deepEqual(await spliceToFile(reader, file, 3, 65_536), { moved: 5, errno: 0 });
  assert.equal(readFileSync(join(directory, "out"), "latin1"), "\0\0\0hello");
  assert.equal(resizePipe(reader, 131_072), 131_072);
  closeSync(holder);
  assert.deepEqual(await spliceToFile(reader, file, 8, 65_536), { moved: 0, errno: 0 }, "the end");
});

test("epoll reports a descriptor once until it is armed again, and ends when closed", async (t) => {
  const directory = temporaryDirectory(t);
  makeFifo(join(directory, "f"));
  const reader = openFifoReader(join(directory, "f"));
  const holder = openFifoHolder(join(directory, "f"));
  t.after(() => [reader, holder].forEach((fd) => closeSync(fd)));
  const epoll = new Epoll();
  epoll.add(reader);
  writeSync(holder, "x");
  assert.deepEqual(await epoll.wait(), [reader]);
  const second = epoll.wait();
  let reported = false;
  void second.then(() => (reported = true));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(reported, false);
  epoll.arm(reader);
  assert.deepEqual(await second, [reader]);
  const last = epoll.wait();
  epoll.close();
  assert.deepEqual(await last, []);
});

test("a process that waits in epoll can exit", async (t) => {
  const program = `import { Epoll } from ${JSON.stringify(new URL("../../src/posix/epoll.ts", import.meta.url).href)};
    void new Epoll().wait(); setTimeout(() => process.exit(7), 50);`;
  const child = startProcess(t, process.execPath, ["--input-type=module", "-e", program]);
  const [code] = (await once(child, "exit")) as [number];
  assert.equal(code, 7);
});

test("a spawned program has its own session, exactly the given environment and descriptors", async (t) => {
  const directory = temporaryDirectory(t);
  const out = openSync(join(directory, "out"), "w+");
  const none = openSync("/dev/null", "r+");
  const pid = spawnProcess({
    file: "/bin/sh",
    argv: [
      "sh",
      "-c",
      'tr "\\0" "\\n" < /proc/$$/environ; ls /proc/$$/fd; pwd; cut -d" " -f6 /proc/$$/stat; exit 7',
    ],
    env: { ONE: "1", TWO: "a b" },
    workingDir: directory,
    descriptors: [none, out, out, none],
  });
  [out, none].forEach((fd) => closeSync(fd));
  const ended = await eventually(() => reapOne(), "the child ends");
  assert.deepEqual(ended, { pid, exitCode: 7 });
  const text = readFileSync(join(directory, "out"), "utf8");
  assert.equal(text, `ONE=1\nTWO=a b\n0\n1\n2\n3\n${directory}\n${pid}\n`);
});

test("a program that does not exist is an error at once", () => {
  assert.throws(
    () =>
      spawnProcess({ file: "/no/such", argv: ["x"], env: {}, workingDir: "/", descriptors: [] }),
    (error: unknown) => isErrno(error, "ENOENT"),
  );
});

test("a signal through a pidfd reaches the process, and no later one", async () => {
  const none = openSync("/dev/null", "r+");
  const pid = spawnProcess({
    file: "/bin/sleep",
    argv: ["sleep", "60"],
    env: {},
    workingDir: "/",
    descriptors: [none, none, none],
  });
  closeSync(none);
  const pidfd = openPidfd(pid);
  assert.ok(pidfd !== undefined);
  assert.equal(signalPidfd(pidfd, 9), true);
  assert.deepEqual(await eventually(() => reapOne(), "it ends"), { pid, exitCode: -9 });
  assert.equal(signalPidfd(pidfd, 9), false);
  closeSync(pidfd);
  assert.equal(openPidfd(pid), undefined);
});

test("a file is locked by one process at a time", (t) => {
  const path = join(temporaryDirectory(t), "lock");
  const first = lockFile(path);
  assert.ok(first);
  assert.equal(lockFile(path), undefined);
  first.release();
  const second = lockFile(path);
  assert.ok(second);
  second.release();
});

test("a duplicate is closed on exec until that is changed", (t) => {
  const fd = openSync("/dev/null", "r");
  const copy = duplicate(fd, 50);
  t.after(() => [fd, copy].forEach((each) => closeSync(each)));
  assert.ok(copy >= 50);
  assert.equal(readlinkSync(`/proc/self/fd/${copy}`), "/dev/null");
  const flags = (): number =>
    Number.parseInt(
      /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${copy}`, "utf8"))?.[1] ?? "",
      8,
    );
  assert.ok((flags() & 0o2000000) !== 0);
  setCloseOnExec(copy, false);
  assert.equal(flags() & 0o2000000, 0);
});

test("errno stays that of the failed call while Node.js makes other system calls", () => {
  const close = libc("int close(int fd)");
  for (let round = 0; round < 3; round += 1) {
    assert.equal(close(-1), -1);
    assert.equal(existsSync("/no/such/file"), false);
    assert.equal(errnoName(lastErrno()), "EBADF");
  }
});
