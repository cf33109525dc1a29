import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { hasCode } from "../../src/base/errors.ts";
import type { ErrorCode } from "../../src/base/error-codes.ts";
import type { ProcessRequest } from "../../src/kernel/process-api.ts";
import type { OpenKernel } from "../../src/kernel/kernel.ts";
import { NOBODY, withoutRoot } from "../helpers/as-nobody.ts";
import { openTestKernel, outputOf, runToEnd } from "../helpers/kernel.ts";
import { eventually, temporaryDirectory } from "../helpers/resources.ts";

type Settings = Omit<ProcessRequest, "name" | "args">;

/** The content of a file in the /proc directory of an idle process. */
async function seenBy(kernel: OpenKernel, file: string, settings: Settings): Promise<string> {
  const name = `cat.${kernel.events.last}`;
  const args = ["/bin/cat", `/proc/self/${file}`];
  assert.equal(await runToEnd(kernel, { name, args, env: {}, ...settings }), 0);
  const chunks = await Array.fromAsync(outputOf(kernel, name));
  return chunks.map(({ data }) => data.toString()).join("");
}

function toRecord(environ: string): Record<string, string> {
  return Object.fromEntries(
    environ
      .split("\0")
      .filter((entry) => entry !== "")
      .map((entry): [string, string] => {
        const at = entry.indexOf("=");
        return [entry.slice(0, at), entry.slice(at + 1)];
      }),
  );
}

function field(status: string, name: string): string {
  return new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, "m").exec(status)?.[1] ?? "(none)";
}

const ENV = {
  PLAIN: "x",
  EMPTY: "",
  SPACES: " a  b ",
  EQUALS: "a=b=c",
  LINES: "one\ntwo",
  UNICODE: "ä€😀",
  PWD: "/nowhere",
  "not-an-identifier": "1",
};

const IDENTITY: Settings = withoutRoot === false ? { uid: NOBODY } : {};
for (const [how, settings] of Object.entries<Settings>({
  plainly: {},
  "with a umask": { umask: 0o027 },
  "with limits": { rlimits: { nofile: 64 } },
  "with everything at once": { umask: 0o027, rlimits: { nofile: 64 }, ...IDENTITY },
})) {
  test(`started ${how}, its environment is exactly the given one`, async (t) => {
    const { kernel } = openTestKernel(t);
    assert.equal(await seenBy(kernel, "environ", settings), "");
    assert.deepEqual(toRecord(await seenBy(kernel, "environ", { ...settings, env: ENV })), ENV);
  });
}

test("LISTEN_FDS, LISTEN_FDNAMES and, if asked, LISTEN_PID are added, and nothing else", async (t) => {
  const { kernel } = openTestKernel(t);
  kernel.sockets.make({ name: "shop/web" });
  kernel.sockets.make({ name: "admin" });
  const sockets = ["shop/web", "admin"];
  const told = { LISTEN_FDS: "2", LISTEN_FDNAMES: "web:admin" };
  assert.deepEqual(toRecord(await seenBy(kernel, "environ", { sockets })), told);
  const settings = { sockets, listenPid: true, env: { A: "1" } };
  const environ = toRecord(await seenBy(kernel, "environ", settings));
  const [info] = kernel.processes.list().filter(({ pid }) => String(pid) === environ["LISTEN_PID"]);
  assert.ok(info !== undefined, `LISTEN_PID=${environ["LISTEN_PID"]} is the process`);
  assert.deepEqual(environ, { ...told, A: "1", LISTEN_PID: String(info.pid) });
});

test("limits are set soft and hard, and the others stay those of the kernel", async (t) => {
  const { kernel } = openTestKernel(t);
  const limitsOf = (text: string): Map<string, string> =>
    new Map(
      text
        .split("\n")
        .slice(1)
        .map((line) => [line.slice(0, 26).trim(), line.slice(26).trim().replaceAll(/\s+/g, " ")]),
    );
  const limits = limitsOf(
    await seenBy(kernel, "limits", { rlimits: { nofile: 64, RLIMIT_CORE: 0 } }),
  );
  const own = limitsOf(readFileSync("/proc/self/limits", "utf8"));
  own.set("Max open files", "64 64 files").set("Max core file size", "0 0 bytes");
  assert.deepEqual(limits, own);
});

test("umask, signals and session are those of a fresh process", async (t) => {
  const { kernel } = openTestKernel(t);
  const own = process.umask();
  const status = await seenBy(kernel, "status", { umask: 0o027 });
  assert.equal(field(status, "Umask"), "0027");
  assert.equal(process.umask(), own, "the kernel's own umask is as before");
  for (const name of ["SigBlk", "SigIgn"]) assert.match(field(status, name), /^0+$/, name);
  const [pid, , , , group, session] = (await seenBy(kernel, "stat", {})).split(" ");
  assert.deepEqual([group, session], [pid, pid]);
});

test(
  "a uid, a gid and groups are exactly the requested ones, by name or number",
  { skip: withoutRoot },
  async (t) => {
    const { kernel } = openTestKernel(t);
    const four = (id: number): string => Array.from({ length: 4 }, () => id).join("\t");
    const asked: readonly { settings: Settings; uid: number; gid: number; groups: string }[] = [
      { settings: { uid: NOBODY }, uid: NOBODY, gid: NOBODY, groups: String(NOBODY) },
      { settings: { uid: "nobody" }, uid: NOBODY, gid: NOBODY, groups: String(NOBODY) },
      { settings: { uid: 54_321, gid: 54_322 }, uid: 54_321, gid: 54_322, groups: "" },
      { settings: { uid: "54321", gid: "daemon" }, uid: 54_321, gid: 1, groups: "" },
      { settings: { gid: 54_322 }, uid: 0, gid: 54_322, groups: "" },
    ];
    for (const { settings, uid, gid, groups } of asked) {
      const status = await seenBy(kernel, "status", settings);
      assert.deepEqual(
        [field(status, "Uid"), field(status, "Gid"), field(status, "Groups")],
        [four(uid), four(gid), groups],
        JSON.stringify(settings),
      );
    }
  },
);

test("a process of another user may open its own /dev/stdout", { skip: withoutRoot }, async (t) => {
  const { kernel } = openTestKernel(t);
  const args = ["/bin/sh", "-c", "echo hello > /dev/stdout"];
  assert.equal(await runToEnd(kernel, { name: "opener", args, uid: NOBODY }), 0);
  const chunks = await Array.fromAsync(outputOf(kernel, "opener"));
  assert.deepEqual(
    chunks.map(({ stream, data }) => [stream, data.toString()]),
    [["out", "hello\n"]],
  );
});

test("the working directory is the requested one, or / without one", async (t) => {
  const { kernel } = openTestKernel(t);
  const directory = temporaryDirectory(t);
  for (const [settings, expected] of [
    [{}, "/"],
    [{ workingDir: directory }, directory],
    [{ workingDir: directory, umask: 0o22, rlimits: { core: 0 } }, directory],
  ] as const) {
    const name = `sleep.${kernel.events.last}`;
    const { pid } = kernel.processes.make({ name, args: ["/bin/sleep", "1000"], ...settings });
    assert.equal(readlinkSync(`/proc/${pid}/cwd`), expected);
  }
});

/** The files of the descriptors of a process; while it starts, the loader opens and closes one. */
function descriptorsOf(pid: number): Record<string, string> | undefined {
  const directory = `/proc/${pid}/fd`;
  try {
    return Object.fromEntries(
      readdirSync(directory).map((fd) => [fd, readlinkSync(join(directory, fd))]),
    );
  } catch {
    return undefined;
  }
}

/** Waits until the program is loaded. It opens no file itself, so an extra descriptor would stay visible. */
async function expectDescriptors(pid: number, expected: Record<string, string>): Promise<void> {
  await eventually(
    () => isDeepStrictEqual(descriptorsOf(pid), expected),
    "the descriptors are those expected",
    3_000,
  ).catch(() => assert.deepEqual(descriptorsOf(pid), expected));
}

test("its descriptors at its start are exactly the requested ones", async (t) => {
  const { kernel } = openTestKernel(t);
  const [web, admin] = ["web", "admin"].map((name) => kernel.sockets.make({ name }).fileno);
  const ownDescriptor = (fd: number | undefined): string => readlinkSync(`/proc/self/fd/${fd}`);
  const args = ["/bin/sleep", "1000"];
  const fifo = (path: string | undefined): string => path ?? "(no FIFO)";

  const plain = kernel.processes.make({ name: "plain", args });
  await expectDescriptors(plain.pid, {
    0: "/dev/null",
    1: fifo(plain.fifos[0]),
    2: fifo(plain.fifos[1]),
  });

  const quiet = kernel.processes.make({ name: "quiet", args, bufsize: 0 });
  await expectDescriptors(quiet.pid, { 0: "/dev/null", 1: "/dev/null", 2: "/dev/null" });

  const full = kernel.processes.make({
    name: "full",
    args: ["/bin/sh", "-c", "exec sleep 1000 # $(socket.web.fileno)"],
    sockets: ["admin"],
    notify: true,
    stderr: "stdout",
    umask: 0o22,
    rlimits: { core: 0 },
    ...IDENTITY,
  });
  await expectDescriptors(full.pid, {
    0: "/dev/null",
    1: fifo(full.fifos[0]),
    2: fifo(full.fifos[0]),
    3: ownDescriptor(admin),
    4: ownDescriptor(web),
    5: fifo(full.fifos[0]).replace(/\.out$/, ".notify"),
  });
});

test("a process that cannot be started is a coded error, and leaves no files", (t) => {
  const { kernel, home } = openTestKernel(t);
  const directory = temporaryDirectory(t);
  const plainFile = join(directory, "plain");
  writeFileSync(plainFile, "#!/bin/sh\n", { mode: 0o600 });
  const noProgram = join(directory, "no-program");
  writeFileSync(noProgram, "no program\n");
  chmodSync(noProgram, 0o700);
  const sleep = ["/bin/sleep", "1000"];
  const refused: readonly [ErrorCode, RegExp, Partial<ProcessRequest>][] = [
    ["NEWEL_E_COMMAND", /Unknown user no-such-user/, { args: sleep, uid: "no-such-user" }],
    ["NEWEL_E_COMMAND", /Unknown group no-such-group/, { args: sleep, gid: "no-such-group" }],
    ["NEWEL_E_COMMAND", /Unknown rlimit speed/, { args: sleep, rlimits: { speed: 1 } }],
    ["NEWEL_E_BAD_WORKING_DIR", /no-such-dir/, { args: sleep, workingDir: "/no-such-dir" }],
    ["NEWEL_E_BAD_WORKING_DIR", /not a directory/, { args: sleep, workingDir: plainFile }],
    ["NEWEL_E_BAD_COMMAND", /no such file/, { args: ["/no-such-program"] }],
    ["NEWEL_E_BAD_COMMAND", /no such file/, { args: ["no-such-program"] }],
    ["NEWEL_E_BAD_COMMAND", /not executable/, { args: [plainFile] }],
    ["NEWEL_E_BAD_COMMAND", /no command/, { args: [] }],
    ["NEWEL_E_SYSCALL", /no-program/, { args: [noProgram] }],
    ["NEWEL_E_SOCKET_MISSING", /none/, { args: sleep, sockets: ["none"] }],
    ["NEWEL_E_SOCKET_MISSING", /none/, { args: ["/bin/sleep", "$(socket.none.fileno)"] }],
  ];
  const open = readdirSync("/proc/self/fd").length;
  for (const [code, message, request] of refused) {
    assert.throws(
      () => kernel.processes.make({ name: "bad", args: [], ...request }),
      (error) => hasCode(error, code) && message.test(String(error)),
      `${code} ${String(message)}`,
    );
  }
  assert.deepEqual(kernel.processes.list(), []);
  assert.deepEqual(readdirSync(home.fifoDirectory), []);
  assert.equal(readdirSync("/proc/self/fd").length, open, "no descriptor is left open");
});
