import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { eventually, freePort } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

async function answer(port: number): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } })).text();
}

/** Writes server.js, which answers its version and pid, and package.json with a script for it. */
function writeServer(app: SupervisedApp, port: number, version = "one"): void {
  app.write(
    "server.js",
    `require("http").createServer((request, response) => response.end("${version} " + process.pid)).listen(${port});`,
  );
  app.write("package.json", '{ "private": true, "scripts": { "start": "node server.js" } }');
}

const PROGRAMS: Readonly<Record<string, string>> = {
  // As yarn does: a shell with the streams of the wrapper.
  "yarn.js": `require("child_process").spawn("/bin/sh", ["-c", "node server.js"], { stdio: "inherit" });`,
  // As tsx does: hooks before the program, and an IPC channel on descriptor 3.
  "tsx.js": `require("child_process").spawn(process.execPath, ["--require", "./hook.js", "server.js"],
    { stdio: ["inherit", "inherit", "inherit", "ipc"], env: { ...process.env, TSX: "1" } });`,
  "import.js": `require("child_process").spawn(process.execPath, ["--import", "./hook.mjs", "server.js"], { stdio: "inherit" });`,
  "fork.mjs": `import { fork } from "node:child_process"; fork("server.js", { stdio: ["pipe", "inherit", "inherit", "ipc", "ignore"] });`,
  "piped.js": `const child = require("child_process").spawn("node", ["server.js"]); child.stdout.pipe(process.stdout);
    if (child.stdio.length !== 3) throw new Error("streams that the app did not ask for");`,
  "sync.mjs": `import { execFileSync } from "node:child_process"; execFileSync("node", ["server.js"], { stdio: "inherit" });`,
  "hook.js": "",
  "hook.mjs": "",
};

const COMMANDS: Readonly<Record<string, object>> = {
  "npm start": { run: "npm start" },
  "npm in a list": { run: ["npm", "run", "--silent", "start"] },
  "npm in a shell in a shell": { run: "true; sh -c 'true; npm start'; true" },
  "exec in a shell": { run: "exec node server.js" },
  "node in a list": { run: ["node", "server.js"] },
  yarn: { run: ["node", "yarn.js"] },
  "yarn below npx": { run: "npm exec -c 'node yarn.js'" },
  tsx: { run: ["node", "tsx.js"] },
  "a program with --import": { run: ["node", "import.js"] },
  "a program of node_modules/.bin": { run: ["node_modules/.bin/served"] },
  "fork with descriptors of the app": { run: ["node", "fork.mjs"] },
  "a child whose output is piped": { run: ["node", "piped.js"] },
  "a synchronous launcher": { run: ["node", "sync.mjs"] },
  "a wrapper as node": { node: "tsx.js" },
};
for (const [name, command] of Object.entries(COMMANDS)) {
  test(`the program below a wrapper gets the held socket: ${name}`, async (t) => {
    const port = await freePort();
    const app = new SupervisedApp(t);
    writeServer(app, port);
    for (const [file, text] of Object.entries(PROGRAMS)) app.write(file, text);
    const shebang = `#!/usr/bin/env node\nrequire("../../yarn.js");\n`;
    chmodSync(app.write("node_modules/.bin/served", shebang), 0o755);
    const outcome = await app.up({ services: { web: { ...command, listen: port } } });
    assert.ok(outcome.ok, JSON.stringify(outcome.failed));
    assert.match(await answer(port), /^one \d+$/);
  });
}

test("a reload of npm start loses no request, and holds the new processes until they are ready", async (t) => {
  const port = await freePort();
  const app = new SupervisedApp(t);
  writeServer(app, port);
  const web = { run: "npm start", listen: port, replicas: 2, ready: { stable: "300ms" } };
  assert.ok((await app.up({ services: { web } })).ok);
  const over = new AbortController();
  const failures: unknown[] = [];
  const load = (async (): Promise<void> => {
    while (!over.signal.aborted) await answer(port).catch((error: unknown) => failures.push(error));
  })();
  writeServer(app, port, "two");
  const reload = await app.verb("reload", "web");
  assert.ok(reload.ok, JSON.stringify(reload.failed));
  for (let count = 0; count < 20; count += 1) assert.match(await answer(port), /^two /);
  over.abort();
  await load;
  assert.deepEqual(failures, []);
});

test("tsx, which kills a program that does not report a signal at once, takes no answer away", async (t) => {
  const port = await freePort();
  const app = new SupervisedApp(t);
  // The program reports a signal over IPC in its own handler, which runs after the drain.
  app.write(
    "node_modules/.bin/tsx",
    `const child = require("child_process").fork(process.argv[2]);
    child.on("exit", (code, signal) => process.exit(code ?? 1));
    process.on("SIGTERM", () => {
      child.kill("SIGTERM");
      const killing = setTimeout(() => child.kill("SIGKILL"), 30);
      child.once("message", () => clearTimeout(killing));
    });`,
  );
  app.write(
    "server.js",
    `process.on("SIGTERM", () => { process.send("SIGTERM"); console.log("signal"); process.exit(); });
    require("http").createServer((request, response) => {
      console.log("request");
      setTimeout(() => response.end("whole"), 500);
    }).listen(${port});`,
  );
  const web = { run: ["node", "node_modules/.bin/tsx", "server.js"], listen: port };
  assert.ok((await app.up({ services: { web } })).ok);
  const answering = answer(port);
  const kernel = await app.kernel();
  const [{ name } = { name: "" }] = await kernel.processes.list();
  const lines = (): Promise<string[]> => kernel.processes.tail(name, 10);
  await eventually(async () => (await lines()).includes("request"), "the request has arrived");
  const stopped = await app.verb("stop", "web");
  assert.deepEqual([stopped.ok, stopped.killed], [true, []]);
  assert.equal(await answering, "whole");
  assert.deepEqual(await lines(), ["request", "signal"]);
});

test("a new version below npm that never listens is no replacement", async (t) => {
  const port = await freePort();
  const app = new SupervisedApp(t);
  writeServer(app, port);
  const web = { run: "npm start", listen: port, ready: { stable: "100ms", timeout: "6s" } };
  assert.ok((await app.up({ services: { web } })).ok);
  app.write("server.js", "setInterval(() => {}, 1000);");
  const reload = await app.verb("reload", "web");
  assert.equal(reload.ok, false);
  assert.match(await answer(port), /^one /);
});

test("an HTTP check asks the new process below npm, past the shared socket", async (t) => {
  const port = await freePort();
  const app = new SupervisedApp(t);
  writeServer(app, port);
  const ready = { http: "/", stable: "100ms", timeout: "6s" };
  const web = { run: "npm start", listen: port, ready };
  assert.ok((await app.up({ services: { web } })).ok);
  app.write(
    "server.js",
    `require("http").createServer((request, response) => { response.statusCode = 503; response.end(); }).listen(${port});`,
  );
  assert.equal((await app.verb("reload", "web")).ok, false);
  assert.match(await answer(port), /^one /);
});

test("the first process of a replica that listens gets the socket, a later one EADDRINUSE", async (t) => {
  const port = await freePort();
  const app = new SupervisedApp(t);
  app.write(
    "both.js",
    `const { spawn } = require("child_process");
     const { existsSync } = require("fs");
     spawn("node", ["server.js", "first"], { stdio: "inherit" });
     const timer = setInterval(() => {
       if (!existsSync("first")) return;
       clearInterval(timer);
       spawn("node", ["server.js", "second"], { stdio: "inherit" });
     }, 20);`,
  );
  app.write(
    "server.js",
    `const { writeFileSync } = require("fs");
     const [, , name] = process.argv;
     const server = require("http").createServer((request, response) => response.end(name));
     server.listen(${port}, () => writeFileSync(name, "listens"));
     server.on("error", (error) => { writeFileSync(name, error.code); setInterval(() => {}, 1000); });`,
  );
  const outcome = await app.up({ services: { web: { run: ["node", "both.js"], listen: port } } });
  assert.ok(outcome.ok, JSON.stringify(outcome.failed));
  const second = join(app.directory, "second");
  await eventually(() => existsSync(second) && readFileSync(second, "utf8") !== "", "both try");
  assert.equal(readFileSync(second, "utf8"), "EADDRINUSE");
  assert.equal(await answer(port), "first");
});

test("two programs of one replica each get the socket that they listen on", async (t) => {
  const [web, api] = [await freePort(), await freePort()];
  const app = new SupervisedApp(t);
  app.write("server.js", SERVES_ARGUMENT);
  app.write(
    "both.js",
    `const { spawn } = require("child_process");
     for (const port of ["${web}", "${api}"]) spawn("node", ["server.js", port], { stdio: "inherit" });`,
  );
  const both = { run: ["node", "both.js"], listen: [web, api], ready: { stable: "100ms" } };
  const outcome = await app.up({ services: { both } });
  assert.ok(outcome.ok, JSON.stringify(outcome.failed));
  const reload = await app.verb("reload", "both");
  assert.ok(reload.ok, JSON.stringify(reload.failed));
  for (const port of [web, api]) assert.equal(await answer(port), String(port));
});

const SERVES_ARGUMENT = `require("http").createServer((request, response) => response.end(process.argv[2])).listen(Number(process.argv[2]));`;

test("a program that is restarted below a wrapper gets the socket again", async (t) => {
  const port = await freePort();
  const app = new SupervisedApp(t);
  writeServer(app, port);
  app.write(
    "again.js",
    `const { spawn } = require("child_process");
     const start = () => spawn("node", ["server.js"], { stdio: "inherit" }).on("exit", start);
     start();`,
  );
  assert.ok((await app.up({ services: { web: { run: ["node", "again.js"], listen: port } } })).ok);
  const first = await answer(port);
  sendSignal(Number(first.split(" ")[1]), "SIGKILL");
  await eventually(
    async () => (await answer(port).catch(() => first)) !== first,
    "it serves again",
  );
});

test("a cluster below npm serves by its workers, through the socket of its primary", async (t) => {
  const port = await freePort();
  const app = new SupervisedApp(t);
  writeServer(app, port);
  app.write(
    "server.js",
    `const cluster = require("cluster");
     if (cluster.isPrimary) { cluster.fork(); cluster.fork(); }
     else require("http").createServer((request, response) => response.end(String(process.pid))).listen(${port});`,
  );
  const outcome = await app.up({ services: { web: { run: "npm start", listen: port } } });
  assert.ok(outcome.ok, JSON.stringify(outcome.failed));
  const seen = new Set<string>();
  await eventually(async () => seen.add(await answer(port)).size === 2, "both workers answer");
});

const withoutPython = spawnSync("python3", ["--version"]).status === 0 ? false : "needs python3";

test(
  "a program that is not Node.js takes the socket from descriptor 3, also after a Node.js helper",
  { skip: withoutPython },
  async (t) => {
    const port = await freePort();
    const app = new SupervisedApp(t);
    app.write(
      "server.py",
      `import os, socket
assert os.environ["LISTEN_PID"] and os.environ["LISTEN_FDS"] == "1"
server = socket.socket(fileno=3)
while True:
    client, _ = server.accept()
    client.recv(65536)
    client.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: 6\\r\\nconnection: close\\r\\n\\r\\npython")
    client.close()
`,
    );
    app.write("helper.js", "setTimeout(() => {}, 300);");
    const run = "node helper.js && exec python3 server.py";
    const web = { run, listen: port, ready: { stable: "100ms" } };
    assert.ok((await app.up({ services: { web } })).ok);
    assert.equal(await answer(port), "python");
    const reload = await app.verb("reload", "web");
    assert.ok(reload.ok, JSON.stringify(reload.failed));
    assert.equal(await answer(port), "python");
  },
);
