// Sockets by path: the kernel replaces and removes only dead sockets and its own.
import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { closeSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";

import { hasCode, isNewelError } from "../../src/base/errors.ts";
import { homeAt } from "../../src/base/home.ts";
import { openKernel } from "../../src/kernel/kernel.ts";
import { makeFifo } from "../../src/posix/fifo.ts";
import { bindSocket, listen } from "../../src/posix/sockets.ts";
import { openTestKernel } from "../helpers/kernel.ts";
import { cleanUp, temporaryDirectory } from "../helpers/resources.ts";

const inUse = (what: RegExp) => (error: unknown) => {
  assert.ok(hasCode(error, "NEWEL_E_PATH_IN_USE"), String(error));
  assert.match(String(error), what);
  assert.ok(isNewelError(error) && /Nothing was removed/.test(error.fix));
  return true;
};

async function isAnswered(path: string): Promise<boolean> {
  const socket = connect(path);
  return new Promise((resolve) => {
    socket.once("connect", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}

test("a file that is not a socket stays, and the error names its kind", (t) => {
  const { kernel } = openTestKernel(t);
  const directory = temporaryDirectory(t);
  const at = (name: string): string => join(directory, name);
  writeFileSync(at("file"), "precious rows\n");
  mkdirSync(at("directory"));
  makeFifo(at("fifo"));
  symlinkSync("file", at("link"));
  symlinkSync("nowhere", at("broken"));
  const kinds: readonly [string, RegExp][] = [
    ["file", /a regular file of 14 bytes/],
    ["directory", /a directory/],
    ["fifo", /a FIFO/],
    ["link", /a symbolic link to file/],
    ["broken", /a symbolic link to nowhere/],
  ];
  for (const [name, what] of kinds) {
    const before = lstatSync(at(name)).ino;
    assert.throws(() => kernel.sockets.make({ name: "api", path: at(name) }), inUse(what));
    assert.equal(lstatSync(at(name)).ino, before);
  }
  assert.equal(readFileSync(at("file"), "utf8"), "precious rows\n");
  assert.deepEqual(kernel.sockets.list(), []);
});

test("a socket that a process holds stays, of each type, listening or not", async (t) => {
  const { kernel } = openTestKernel(t);
  const path = join(temporaryDirectory(t), "live.sock");
  const server = createServer().listen(path);
  await once(server, "listening");
  const accepted: unknown[] = [];
  server.on("connection", (socket) => accepted.push(socket));
  for (const type of ["stream", "dgram", "seqpacket"] as const)
    assert.throws(() => kernel.sockets.make({ name: "s", type, path }), inUse(/a running program/));
  assert.deepEqual(accepted, [], "it was not even connected to");
  server.close();
  await once(server, "close");

  for (const type of ["stream", "dgram", "seqpacket"] as const) {
    // Bound, but not listening yet: the program is about to listen.
    const fd = bindSocket({ family: "unix", path }, { type });
    assert.throws(() => kernel.sockets.make({ name: "s", path }), inUse(/a running program/));
    closeSync(fd);
    assert.ok(existsSync(path));
    assert.equal(kernel.sockets.make({ name: "s", path }).path, path, "a dead one is replaced");
    kernel.sockets.remove(["s"]);
    assert.ok(!existsSync(path));
  }
});

test("one path has one socket, however the path is spelled", async (t) => {
  const { kernel } = openTestKernel(t);
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, "real/deep"), { recursive: true });
  symlinkSync("real", join(directory, "link"));
  symlinkSync("real/deep", join(directory, "down"));
  const path = join(directory, "real/web.sock");
  const first = kernel.sockets.make({ name: "one", path });
  const { ino } = statSync(path);
  const spellings = [
    path,
    `${directory}/real//web.sock`,
    `${directory}/real/./web.sock`,
    `${directory}/real/deep/../web.sock`,
    `${directory}/link/web.sock`,
    `${directory}/down/../web.sock`,
  ];
  for (const spelling of spellings) {
    assert.throws(() => kernel.sockets.make({ name: "two", path: spelling }), inUse(/socket one/));
    assert.deepEqual(kernel.sockets.make({ name: "one", path: spelling }), first, "made again");
  }

  assert.equal(statSync(path).ino, ino);
  assert.ok(await isAnswered(path));
});

test("only the file that the kernel made is removed", async (t) => {
  const { kernel } = openTestKernel(t);
  const path = join(temporaryDirectory(t), "s.sock");
  kernel.sockets.make({ name: "s", path });
  rmSync(path);
  const other = createServer().listen(path);
  await once(other, "listening");
  kernel.sockets.remove(["s"]);
  assert.ok(await isAnswered(path), "the server of another program is left alone");
  other.close();

  kernel.sockets.make({ name: "s", path });
  rmSync(path);
  writeFileSync(path, "mine");
  kernel.sockets.remove(["s"]);
  assert.equal(readFileSync(path, "utf8"), "mine");
});

test("a next kernel replaces its own file, and refuses that of another program", async (t) => {
  const home = homeAt(temporaryDirectory(t));
  const directory = temporaryDirectory(t);
  const notices: string[] = [];
  const open = (): ReturnType<typeof openKernel> =>
    openKernel(home, { version: "test", notice: (text) => notices.push(text) });
  let kernel = open();
  kernel.sockets.make({ name: "own", path: join(directory, "own.sock") });
  kernel.sockets.make({ name: "taken", path: join(directory, "taken.sock") });
  await kernel.close();
  rmSync(join(directory, "taken.sock"));
  const other = createServer().listen(join(directory, "taken.sock"));
  cleanUp(t, () => void other.close());
  await once(other, "listening");
  kernel = open();
  cleanUp(t, () => kernel.close());
  assert.deepEqual(kernel.status().recovery.sockets, { own: "bound", taken: "lost" });
  assert.match(notices.join("\n"), /taken could not be taken back: .*a running program/);
  assert.ok(await isAnswered(join(directory, "own.sock")));
  assert.ok(await isAnswered(join(directory, "taken.sock")));
  kernel.sockets.remove(["own"]);
  assert.ok(!existsSync(join(directory, "own.sock")));
});

test("the path of the kernel's own socket is refused", (t) => {
  const { kernel, home } = openTestKernel(t);
  const fd = bindSocket({ family: "unix", path: home.kernelSocket }, { type: "stream" });
  listen(fd, 1);
  assert.throws(
    () => kernel.sockets.make({ name: "k", path: home.kernelSocket }),
    inUse(/a running program/),
  );
  closeSync(fd);
});
