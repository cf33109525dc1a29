import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { homeAt, type Home } from "../../../src/base/home.ts";
import type { KernelEvent } from "../../../src/kernel/api.ts";
import { connectKernel, setDefault } from "../../../src/kernel/client/client.ts";
import type { KernelClient } from "../../../src/kernel/client-api.ts";
import {
  eventually,
  isAlive,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../../helpers/resources.ts";
import { sendSignal } from "../../helpers/signals.ts";
import { inReverse } from "../session/wire.ts";
import { type Daemon, ended, MAIN, startDaemon } from "./daemon.ts";

const ENV = { PATH: process.env["PATH"] ?? "" };

/** A client of the home; after the test it is closed, and everything it made is removed. */
async function connected(scope: Scope, home: Home): Promise<KernelClient> {
  const client = await connectKernel({ home });
  scope.after(async () => {
    await client.close();
    const last = await connectKernel({ home });
    for (const { name, running } of await last.processes.list())
      if (running) await last.processes.signal(name, "KILL", "tree");
    await last.close();
  });
  return client;
}

async function withDaemon(
  scope: Scope,
): Promise<{ client: KernelClient; home: Home; daemon: Daemon }> {
  const daemon = await startDaemon(scope);
  endKernelAfter(scope, daemon.home);
  return { client: await connected(scope, daemon.home), home: daemon.home, daemon };
}

/** Ends any kernel that serves the home, however it was started. */
function endKernelAfter(scope: Scope, home: Home): void {
  scope.after(async () => {
    if (!existsSync(home.kernelLock)) return;
    const pid = Number(readFileSync(home.kernelLock, "utf8"));
    if (isAlive(pid)) sendSignal(pid, "SIGKILL");
    await eventually(() => !isAlive(pid), "the end of the kernel");
  });
}

describe("calls", () => {
  test("sockets, values, processes, status", async (context) => {
    const t = inReverse(context);
    const { client, home } = await withDaemon(t);
    const socket = await client.sockets.make({ name: "web", backlog: 7 });
    assert.deepEqual(await client.sockets.list("w*"), [socket]);
    await client.sockets.remove("web");
    assert.deepEqual(await client.sockets.list(), []);

    const odd = 'two\nlines "q" \\ é';
    await client.values.set("v", odd);
    assert.equal(await client.values.get("v"), odd);
    assert.deepEqual(await client.values.list(), [{ name: "v", value: odd }]);
    await client.values.set("v", undefined);
    assert.equal(await client.values.get("v"), undefined);

    const made = await client.processes.make({
      name: "p",
      args: ["/bin/sh", "-c", 'printf "%s %s" "$A" "$(pwd)"; ulimit -n >&2; exec sleep 60'],
      env: { ...ENV, A: "b\nc" },
      workingDir: home.directory,
      rlimits: { nofile: 99 },
    });
    assert.equal((await client.processes.list("p"))[0]?.pid, made.pid);
    await eventually(async () => (await client.processes.tail("p", 9)).length === 3, "its output");
    const lines = await client.processes.tail("p", 9);
    assert.deepEqual(new Set(lines), new Set(["b", `c ${home.directory}`, "99"]));
    const { signalled } = await client.processes.signal("p", "KILL");
    assert.deepEqual(
      signalled.map(({ pid }) => pid),
      [made.pid],
    );

    const status = await client.status();
    assert.equal(status.home, home.directory);
    assert.equal(await client.exitIfIdle(), false);
  });

  test("a value is watched from its present state on, and across a kernel's death", async (context) => {
    const t = inReverse(context);
    const { client, daemon } = await withDaemon(t);
    await client.values.set("shop/color", "red");
    await client.values.set("other", "1");
    const abort = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      const changes = client.values.watch("shop/*", { signal: abort.signal });
      for await (const { name, value } of changes) seen.push(`${name}=${value}`);
    })();
    const missing = client.values.watch("shop/size")[Symbol.asyncIterator]();
    assert.deepEqual((await missing.next()).value, { name: "shop/size", value: undefined });
    await eventually(() => seen.length === 1, "what there is");
    await client.values.set("other", "2");
    await client.values.set("shop/color", "blue");
    await eventually(() => seen.length === 2, "the change");
    daemon.child.kill("SIGKILL");
    await ended(daemon.child);
    await client.values.set("shop/size", "9");
    assert.deepEqual((await missing.next()).value, { name: "shop/size", value: "9" });
    await client.values.remove("shop/color");
    await eventually(() => seen.length === 4, "the removal");
    abort.abort();
    await watching;
    await missing.return?.();
    const expected = ["color=red", "color=blue", "size=9", "color=undefined"];
    assert.deepEqual(
      seen,
      expected.map((each) => `shop/${each}`),
    );
  });

  test("the default is set once for all clients that connect without an address", async (context) => {
    const t = inReverse(context);
    const { home } = await withDaemon(t);
    setDefault({ home: home.directory, autostart: false });
    t.after(() => setDefault({}));
    await using client = await connectKernel();
    assert.equal((await client.status()).home, home.directory);
  });

  test("the holder of a claim is the process that the operating system reports", async (context) => {
    const t = inReverse(context);
    const { client, home } = await withDaemon(t);
    const request = JSON.stringify({ id: 1, do: "claim", name: "json", pid: 1 });
    const program = `require("net").connect(process.argv[1]).write(process.argv[2])`;
    const said = `claim text\n${request}\n`;
    const child = startProcess(t, process.execPath, ["-e", program, home.kernelSocket, said]);
    const claims = await eventually(async () => {
      const all = await client.claims.list();
      return all.length === 2 && all;
    }, "both claims");
    assert.deepEqual(
      claims.map(({ holder }) => holder.pid),
      [child.pid, child.pid],
    );
  });

  test("the kernel's coded errors arrive unchanged", async (context) => {
    const t = inReverse(context);
    const { client } = await withDaemon(t);
    await assert.rejects(client.sockets.remove("none"), {
      name: "NewelError",
      code: "NEWEL_E_NOT_FOUND",
      message: "none not found",
    });
    await assert.rejects(client.sockets.make({ name: "a", port: 70_000 }), {
      code: "NEWEL_E_BAD_REQUEST",
      message: /port/,
    });
    await assert.rejects(client.processes.make({ name: "a", args: ["/no/such"] }), {
      code: "NEWEL_E_BAD_COMMAND",
    });
    await assert.rejects(client.processes.watch("none")[Symbol.asyncIterator]().next(), {
      code: "NEWEL_E_NOT_FOUND",
    });
  });

  test("output is followed to its end, byte for byte, by fast and slow readers", async (context) => {
    const t = inReverse(context);
    const { client } = await withDaemon(t);
    const lines = 200_000;
    await client.processes.make({
      name: "count",
      args: ["/usr/bin/seq", "1", String(lines)],
      bufsize: 64 << 20,
    });
    const read = async (pauseMs: number): Promise<string> => {
      let text = "";
      let pauses = 5;
      for await (const piece of client.processes.watch("count")) {
        if ("ended" in piece) return `${text}exit ${piece.exitCode}`;
        assert.equal(piece.gap, 0);
        text += piece.data.toString();
        if (pauseMs > 0 && pauses-- > 0)
          await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
      return text;
    };
    const expected = `${Array.from({ length: lines }, (_, index) => index + 1).join("\n")}\nexit 0`;
    for (const got of await Promise.all([read(0), read(0), read(40)])) assert.ok(got === expected);
    assert.deepEqual(await client.processes.tail("count", 2), ["199999", "200000"]);
    assert.deepEqual(await client.processes.tail("count", 0), []);
  });

  test("a watch and a wait end with their signal, and with the client", async (context) => {
    const t = inReverse(context);
    const { client, home } = await withDaemon(t);
    await client.processes.make({ name: "quiet", args: ["/bin/sleep", "60"] });
    const abort = new AbortController();
    const watching = Array.fromAsync(client.processes.watch("quiet", { signal: abort.signal }));
    const events = Array.fromAsync(client.events());
    const held = await client.claim("lock");
    const other = await connected(t, home);
    const waiting = other.claim("lock", { signal: abort.signal });
    const refused = assert.rejects(waiting, { code: "NEWEL_E_CANCELLED" });
    await eventually(async () => (await client.claims.list())[0]?.waiting === 1, "the wait");
    abort.abort();
    assert.deepEqual(await watching, []);
    await refused;
    await held.release();
    assert.deepEqual(await client.claims.list(), []);
    await client.processes.signal("quiet", "KILL");
    await client.close();
    assert.ok((await events).length > 0);
    await assert.rejects(client.status(), { code: "NEWEL_E_CANCELLED" });
  });
});

describe("when the kernel ends", () => {
  test("SIGTERM ends only the kernel, the next one restores the state, and a watch continues where it stopped", async (context) => {
    const t = inReverse(context);
    const { client, daemon } = await withDaemon(t);
    const script =
      "i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.02; done; exec sleep 60";
    const made = await client.processes.make({
      name: "w",
      args: ["/bin/sh", "-c", script],
      env: ENV,
    });
    await client.values.set("kept", "yes");
    const seqs: number[] = [];
    const abort = new AbortController();
    const events = (async () => {
      for await (const { seq } of client.events({ since: 0, signal: abort.signal })) seqs.push(seq);
    })();
    let text = "";
    let killed = false;
    for await (const piece of client.processes.watch("w")) {
      if ("ended" in piece) break;
      text += piece.data.toString();
      if (!killed && text.includes("line 10\n")) {
        killed = true;
        daemon.child.kill("SIGTERM");
        assert.equal(await ended(daemon.child), 0);
        assert.ok(isAlive(made.pid));
      }
      if (text.endsWith("line 59\n")) sendSignal(made.pid, "SIGKILL");
    }
    assert.equal(text, Array.from({ length: 60 }, (_, index) => `line ${index}\n`).join(""));
    assert.equal(await client.values.get("kept"), "yes");
    assert.notEqual((await client.status()).pid, daemon.child.pid);
    abort.abort();
    await events;
    assert.equal(new Set(seqs).size, seqs.length);
  });

  test("a killed kernel takes no claim away: its holder keeps it in the next kernel", async (context) => {
    const t = inReverse(context);
    const { client, home, daemon } = await withDaemon(t);
    const held = await client.claim("lock");
    daemon.child.kill("SIGKILL");
    await ended(daemon.child);
    const other = await connected(t, home);
    const [claim] = await other.claims.list("lock");
    assert.deepEqual([claim?.epoch, claim?.holder.pid], [held.epoch, process.pid]);
    await held.release();
    await eventually(async () => (await other.claims.list()).length === 0, "the release");
    assert.equal((await client.claim("lock")).epoch, held.epoch + 1);
  });

  test("a call that is not safe to repeat is refused when its answer is lost", async (context) => {
    const t = inReverse(context);
    const path = join(temporaryDirectory(t), "s");
    const seen: string[] = [];
    const server = createServer((socket) => {
      socket.write("hello\n> ");
      socket.on("error", () => socket.destroy());
      socket.on("data", (chunk: Buffer) => {
        const request = JSON.parse(chunk.toString()) as { id: number; do: string };
        seen.push(request.do);
        // The first request of each kind is lost with its connection.
        if (seen.filter((name) => name === request.do).length === 1) socket.destroy();
        else socket.write(`${JSON.stringify({ id: request.id, ok: [] })}\n`);
      });
    }).listen(path);
    t.after(() => void server.close());
    await once(server, "listening");
    const client = await connectKernel({ path });
    t.after(() => client.close());
    assert.deepEqual(await client.sockets.list(), []);
    assert.deepEqual(seen, ["list sockets", "list sockets"]);
    await assert.rejects(client.processes.signal("a", "TERM"), {
      code: "NEWEL_E_CONNECTION_LOST",
    });
    await client.processes.remove("a");
    assert.deepEqual(seen.slice(2), ["signal", "remove processes", "remove processes"]);
  });

  test("a connect fails when no kernel runs and none may be started", async (context) => {
    const t = inReverse(context);
    const home = homeAt(temporaryDirectory(t));
    await assert.rejects(connectKernel({ home, autostart: false }), {
      code: "NEWEL_E_KERNEL_UNREACHABLE",
    });
    await assert.rejects(connectKernel({ path: join(home.directory, "none") }), {
      code: "NEWEL_E_KERNEL_UNREACHABLE",
    });
  });

  test("exit-if-idle ends an idle kernel after the last client left, not before", async (context) => {
    const t = inReverse(context);
    const { client, home, daemon } = await withDaemon(t);
    const other = await connectKernel({ home, autostart: false });
    assert.equal(await client.exitIfIdle(), true);
    assert.equal((await other.status()).pid, daemon.child.pid);
    await other.close();
    assert.equal(await ended(daemon.child), 0);
  });
});

describe("autostart", () => {
  test("20 processes that start at once get one kernel", async (context) => {
    const t = inReverse(context);
    const home = homeAt(temporaryDirectory(t));
    endKernelAfter(t, home);
    const program = fileURLToPath(
      new URL("../../fixtures/programs/ask-kernel.ts", import.meta.url),
    );
    const answers = Array.from({ length: 20 }, async (_, index) => {
      const child = startProcess(t, process.execPath, [program, home.directory, `n${index}`]);
      let out = "";
      child.stdout?.on("data", (chunk: Buffer) => (out += chunk.toString()));
      child.stderr?.on("data", (chunk: Buffer) => (out += chunk.toString()));
      await once(child, "close");
      return out.trim();
    });
    const pids = new Set(await Promise.all(answers));
    assert.equal(pids.size, 1, [...pids].join("\n"));
    const client = await connected(t, home);
    assert.equal(String((await client.status()).pid), [...pids][0]);
    assert.equal((await client.values.list()).length, 20);
    // Kernels that came too late ended without output.
    assert.doesNotMatch(readFileSync(home.kernelLog, "utf8"), /NEWEL_E|already serves/);
  });

  test("a second kernel on the same home is refused with the holder's pid", async (context) => {
    const t = inReverse(context);
    const { home, child } = await startDaemon(t);
    const second = spawn(process.execPath, [MAIN, "--home", home.directory], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    second.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await once(second, "close");
    assert.equal(second.exitCode, 75);
    assert.match(
      said,
      new RegExp(`newel's kernel already runs for ${home.directory} \\(pid ${child.pid}\\)`),
    );
  });

  test("a home that other users may enter is refused, and a kernel that cannot start reports why", async (context) => {
    const t = inReverse(context);
    const open = homeAt(temporaryDirectory(t, 0o755));
    await assert.rejects(connectKernel({ home: open }), { code: "NEWEL_E_HOME_ACCESS" });
    const home = homeAt(temporaryDirectory(t));
    mkdirSync(home.journal);
    await assert.rejects(connectKernel({ home }), {
      code: "NEWEL_E_KERNEL_UNREACHABLE",
      message: /it ended with \d+ as it started; the end of .*kernel.log: .*(journal|EISDIR)/,
    });
  });

  test("a socket file of a killed kernel is replaced", async (context) => {
    const t = inReverse(context);
    const { home, child } = await startDaemon(t);
    endKernelAfter(t, home);
    child.kill("SIGKILL");
    await ended(child);
    const client = await connected(t, home);
    assert.equal(await client.values.get("x"), undefined);
  });

  test("the client loads only Node's modules and the layer below", async () => {
    const graph = new Set<string>();
    const visit = (url: URL): void => {
      if (graph.has(url.href)) return;
      graph.add(url.href);
      for (const [, from = ""] of readFileSync(url, "utf8").matchAll(
        /^(?:import|export)(?! type)[^;]*?from "([^"]+)";/gm,
      )) {
        if (from.startsWith(".")) visit(new URL(from, url));
        else assert.match(from, /^node:/, url.href);
      }
    };
    visit(new URL("../../../src/kernel/client/client.ts", import.meta.url));
    assert.ok(graph.size > 8);
    for (const url of graph) assert.doesNotMatch(url, /\/(posix|session)\//);
  });
});

test("events arrive in order with the facts that a supervisor needs", async (context) => {
  const t = inReverse(context);
  const { client } = await withDaemon(t);
  const events: KernelEvent[] = [];
  await client.processes.make({ name: "e", args: ["/bin/sh", "-c", "exit 4"] });
  for await (const event of client.events({ since: 0 })) {
    events.push(event);
    if (event.type === "closed") break;
  }
  assert.deepEqual(
    events.map(({ type, name, exitCode }) => [type, name, exitCode]),
    [
      ["made", "e", undefined],
      ["ended", "e", 4],
      ["closed", "e", 4],
    ],
  );
});
