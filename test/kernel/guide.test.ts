// The blocks of docs/guide/kernel.md run as printed, except for the port and the path of the package.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import type { Home } from "../../src/base/home.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import { cleanUp, eventually, freePort, temporaryDirectory } from "../helpers/resources.ts";
import { startDaemon } from "./client/daemon.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const GUIDE = readFileSync(join(ROOT, "docs/guide/kernel.md"), "utf8");
const PACKAGE = fileURLToPath(new URL("../../src/kernel/index.ts", import.meta.url));

/** The blocks of the guide by language; blocks without a language are sessions at a prompt. */
function blocks(language: string): string[] {
  const all = [...GUIDE.matchAll(/^```(\w*)\n([^]*?)^```$/gm)];
  return all.filter(([, name]) => name === language).map(([, , code = ""]) => code);
}

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A directory with the programs of the guide, for a kernel that runs. */
async function guideDirectory(
  t: TestContext,
): Promise<{ home: Home; port: number; run: (file: string) => Promise<Ran>; directory: string }> {
  const { home } = await startDaemon(t);
  const port = await freePort();
  const directory = join(temporaryDirectory(t), "shop");
  mkdirSync(directory);
  const put = (name: string, code: string): void =>
    writeFileSync(
      join(directory, name),
      code.replaceAll('"newel/kernel"', JSON.stringify(PACKAGE)).replace("8080", String(port)),
    );
  const [main = "", reader = ""] = blocks("ts");
  put("package.json", '{ "type": "module" }');
  put("main.ts", main);
  put("reader.ts", reader);
  put("server.js", blocks("js")[0] ?? "");
  const run = async (file: string): Promise<Ran> => {
    const child = spawn(process.execPath, [join(directory, file)], {
      cwd: "/",
      env: { ...process.env, NEWEL_HOME: home.directory },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    if (child.exitCode === null) await once(child, "exit");
    return { code: child.exitCode, out, err };
  };
  return { home, port, run, directory };
}

async function fetchText(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    get({ port, host: "127.0.0.1", agent: false }, (response) => {
      text(response).then(resolve, () => resolve(undefined));
    }).on("error", () => resolve(undefined));
  });
}

test("the first block starts its server, finds it again in a second run, and reports its end", async (t) => {
  const { home, port, run } = await guideDirectory(t);
  const kernel = await connectKernel({ home, autostart: false });
  cleanUp(t, async () => {
    await kernel.processes.signal("shop.web.1", "KILL").catch(() => undefined);
    await kernel.close();
  });
  assert.deepEqual(await run("main.ts"), { code: 0, out: "", err: "" });
  assert.equal(await eventually(() => fetchText(port), "the server answers"), "hello\n");
  const [first] = await kernel.processes.list("shop.web.1");
  assert.deepEqual(await run("main.ts"), { code: 0, out: "", err: "" });
  assert.equal((await kernel.processes.list("shop.web.1"))[0]?.pid, first?.pid);

  // The session at the prompt.
  const [session = ""] = blocks("");
  assert.match(session, /^> l p$/m);
  assert.match(session, /^> w p shop\.web\.1$/m);
  const prompt = connectSocket(home.kernelSocket);
  let shown = "";
  prompt.on("data", (bytes: Buffer) => (shown += bytes.toString()));
  prompt.write("l p\nw p shop.web.1\n");
  await eventually(() => shown.endsWith("] "), "the batch is over");
  assert.match(
    shown,
    /shop\.web\.1 pid=\d+ running=True started=[\d.]+ args=\S+ server\.js \$\(socket\.shop\.web\.fileno\)\n> Watching 1\nout:shop\.web\.1:[\d.]+:10\nlistening\n\n\] $/,
  );
  prompt.destroy();

  await kernel.processes.signal("shop.web.1", "KILL");
  const read = await run("reader.ts");
  assert.deepEqual(read, { code: 0, out: "listening\nexit code -9\n", err: "" });
  assert.equal((await run("reader.ts")).out, "exit code -9\n", "it continues after what was read");
  const again = await run("main.ts");
  assert.equal(again.code, 1);
  assert.match(again.err, /shop\.web\.1 has ended with -9/);
});

test("the files that the systemd block copies are in the package", () => {
  const [commands = ""] = blocks("sh");
  assert.match(commands, /node_modules\/newel\/systemd\/\*\.service/);
  const { files } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  assert.ok(files.includes("systemd"), "it is published");
  for (const [, name = ""] of commands.matchAll(/(newel-\w+)/g))
    assert.ok(existsSync(join(ROOT, "systemd", `${name}.service`)), name);
});

test("every block of the guide is run by a test of this file", () => {
  const count = ["ts", "js", "", "sh"].map((language) => blocks(language).length);
  assert.deepEqual(count, [2, 1, 1, 1]);
  assert.equal(GUIDE.match(/^```/gm)?.length, 10);
});
