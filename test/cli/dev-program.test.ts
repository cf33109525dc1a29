import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { ownWatcher } from "../../src/cli/dev/own-watchers.ts";
import { commandProgram, guessPort, scriptProgram } from "../../src/cli/dev/program.ts";
import { temporaryDirectory } from "../helpers/resources.ts";

test("a command that watches by itself is recognised", () => {
  const hot = ["next dev", "npx vite", "vite --port 3000", "FOO=1 nuxt dev", "ng serve --open"];
  for (const line of hot) assert.equal(ownWatcher(line)?.kind, "hot", line);
  const restart = ["nodemon server.js", "node --watch server.js", "tsx watch src/app.ts"];
  for (const line of restart) assert.equal(ownWatcher(line)?.kind, "restart", line);
  const none = ["node server.js", "vite build && node server.js", "tsx src/app.ts", "next build"];
  for (const line of none) assert.equal(ownWatcher(line), undefined, line);
});

test("the name of a command is that of its program or file", () => {
  const names = [
    ["node", "--inspect", "src/server.js"],
    ["npx", "vite"],
    ["python3", "app.py"],
    ["./bin/my.program"],
    ["node", "42.js"],
  ] as const;
  assert.deepEqual(
    names.map((words) => commandProgram([...words], "/").name),
    ["server", "vite", "app", "my-program", "app"],
  );
});

test("the script dev comes before start, with its pre script, from a directory below too", (t) => {
  const directory = temporaryDirectory(t);
  const scripts = { start: "node start.js", dev: "node dev.js", predev: "echo first" };
  writeFileSync(join(directory, "package.json"), JSON.stringify({ scripts }));
  assert.equal(scriptProgram(directory)?.run, "echo first && node dev.js");
  writeFileSync(join(directory, "package.json"), `{ "scripts": { "start": "node start.js" } }`);
  assert.deepEqual(scriptProgram(directory)?.script, "start");
  writeFileSync(join(directory, "package.json"), `{}`);
  assert.equal(scriptProgram(directory), undefined);
  writeFileSync(join(directory, "package.json"), `{`);
  assert.throws(() => scriptProgram(directory), { code: "NEWEL_E_USAGE" });
});

test("the port is guessed from the command, PORT, .env and the source", (t) => {
  const cwd = temporaryDirectory(t);
  const guess = (run: string, environment: NodeJS.ProcessEnv = {}): number =>
    guessPort({ name: "x", run, cwd, env: {} }, environment);
  const source = (text: string): number => {
    writeFileSync(join(cwd, "server.js"), text);
    return guess("node server.js");
  };
  assert.equal(guess("node nothing.js"), 3000);
  assert.equal(source("app.listen(4001)"), 4001);
  assert.equal(source("const port = process.env.PORT || 4002;"), 4002);
  assert.equal(source("await app.listen({ port: 4003, host: '0.0.0.0' })"), 4003);
  writeFileSync(join(cwd, ".env"), "PORT=4004\n");
  assert.equal(guess("node server.js"), 4004);
  assert.equal(guess("node server.js", { PORT: "4005" }), 4005);
  assert.equal(guess("next dev -p 4006", { PORT: "4005" }), 4006);
});
