// The configurations and command lines of the pages, started as they are printed but for the ports.
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { formatConfigHelp } from "../../src/cli/help.ts";
import { collect, World } from "../cli/world.ts";
import { eventually, freePort, startProcess } from "../helpers/resources.ts";
import { blocksOf, PAGES, PAGES_ELSEWHERE, PAGES_FOLLOWED, shellLines } from "./pages.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

const SERVER = `
import { createServer } from "node:http";
createServer((_, response) => response.end("ok")).listen(PORT, () => console.log("listening"));
for (const signal of ["SIGHUP", "SIGUSR2"]) process.on(signal, () => console.log(signal));
`;

const REDIS = `#!${process.execPath}
require("node:net").createServer().listen(Number(process.argv[3]), "127.0.0.1");
`;

/** Writes the programs that the configurations name. */
function putPrograms({ directory }: World, port: number): void {
  const files: Readonly<Record<string, string>> = {
    "package.json": '{ "type": "module" }',
    "server.ts": SERVER.replace("PORT", String(port)),
    "src/server.ts": SERVER.replace("PORT", String(port)),
    "server.js": SERVER.replace("PORT", String(port)),
    "node_modules/.bin/package.json": '{ "type": "commonjs" }',
    "node_modules/.bin/npx":
      "#!/bin/sh\ntest \"$*\" = 'drizzle-kit migrate' || test \"$*\" = 'drizzle-kit check'\n",
    "node_modules/.bin/curl": '#!/bin/sh\ntest "$1" = -fsS\n',
    "announce.sh": '#!/bin/sh\ntest -n "$1"\n',
    "node_modules/.bin/python3": '#!/bin/sh\ntest "$*" = worker.py && exec sleep 600\n',
    "node_modules/.bin/redis-server": REDIS,
    "src/worker.ts": "setInterval(() => undefined, 60_000);",
    "src/check-worker.ts": "",
    ".env": "",
    "src/jobs/mail.ts": "",
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    chmodSync(path, 0o755);
  }
}

const printed = formatConfigHelp().join("\n");
const notFollowed = PAGES.filter((page) => !Object.hasOwn(PAGES_FOLLOWED, page));
const pages = notFollowed.filter((page) => !Object.hasOwn(PAGES_ELSEWHERE, page));
const configurations = [
  ...notFollowed
    .flatMap(blocksOf)
    .filter(({ language, code }) => language === "ts" && code.includes("defineConfig(")),
  { page: "", place: "newel help config", code: printed.slice(0, printed.indexOf("\nThen:")) },
];

test("there are configurations on README.md, on the page of the reference and in the help", () => {
  const places = configurations.map(({ place }) => place.replace(/:\d+$/, ""));
  for (const place of ["README.md", "docs/reference/config.md", "newel help config"])
    assert.ok(places.includes(place), place);
});

describe("as printed", { concurrency: true }, () => {
  for (const { page, place, code } of configurations)
    test(`the configuration of ${place} is accepted, comes up and goes down`, async (t) => {
      const world = new World(t);
      const [web, redis, metrics] = [await freePort(), await freePort(), await freePort()];
      putPrograms(world, web);
      world.write(
        "newel.config.ts",
        code
          .replaceAll(/\b3000\b/g, String(web))
          .replaceAll(/\b6380\b/g, String(redis))
          .replaceAll(/\b9464\b/g, String(metrics)),
      );
      assert.equal((await world.succeed("check")).stderr, "");
      if (Object.hasOwn(PAGES_ELSEWHERE, page)) return;
      await world.succeed("up", "--timeout", "4m");
      assert.equal(await (await fetch(`http://127.0.0.1:${web}/healthz`)).text(), "ok");
      await world.succeed("ps");
      await world.succeed("down", "--timeout", "4m");
    });
});

/** Lines that are not started here, and the test or the reason. */
const LINES_ELSEWHERE: readonly (readonly [RegExp, string])[] = [
  [/^newel jobs /, "test/cli/jobs.test.ts"],
  [/^(exec )?newel run\b/, "test/cli/run.test.ts"],
  [/^newel init\b/, "test/cli/init.test.ts"],
  [/newel completion\b/, "test/cli/daily.test.ts: for three shells"],
  [/^newel exec\b/, "test/cli/exec.test.ts"],
  [/^(npx )?newel dev\b/, "test/cli/dev.test.ts"],
  [/^(npx )?newel dash\b/, "test/dashboard/dashboard.test.ts"],
  [/^ssh /, "it needs another machine"],
  [/^newel (deploy|releases|rollback|logs deploy)\b/, "test/deploy/deploy.test.ts"],
  [/newel deploy (shop -$|--host)/, "test/deploy/ssh.test.ts"],
  [/^newel owners release /, "test/singleton/owners.test.ts: a singleton must be there"],
  [/^newel supervisor$/, "runs already; test/supervisor/ starts it so"],
  [/^newel telnet$/, "test/cli/telnet.test.ts: it needs a terminal"],
  [/^npm install newel@latest/, "it needs the registry; test/cli/upgrade.test.ts"],
  [/^npx newel upgrade$/, "test/cli/upgrade.test.ts"],
  [/^npm (ci|cit)\b/, "it installs the repository"],
  [/^npm i newel( bullmq)?$/, "it needs the registry; test/package installs the packed package"],
  [/^(cp|systemctl) /, "test/kernel/guide.test.ts, test/kernel/systemd.test.ts"],
];

/** Lines that print until they are interrupted. */
const GO_ON = /^(npx )?newel (events|logs\b.* -f)/;

const lines = pages
  .flatMap(blocksOf)
  .filter(({ language }) => language === "sh")
  .flatMap(shellLines)
  .filter(({ line }) => !LINES_ELSEWHERE.some(([pattern]) => pattern.test(line)));

const CONFIG = (port: number): object => ({
  name: "shop",
  services: {
    web: { node: "server.ts", listen: port, replicas: 2, ready: { stable: "10ms" } },
    worker: { run: "exec sleep 600", replicas: 2, ready: { after: "10ms" }, tags: ["backend"] },
    mail: { run: "exec sleep 600", ready: { after: "10ms" }, profiles: ["development"] },
  },
});

/** Programs in PATH by which a shell finds this newel, also by npx. */
function putCommands(world: World): void {
  const bin = join(world.directory, "bin");
  mkdirSync(bin, { recursive: true });
  for (const [name, program] of [
    ["newel", `'${process.execPath}' '${MAIN}' "$@"`],
    ["npx", '"$@"'],
  ] as const)
    writeFileSync(join(bin, name), `#!/bin/sh\nexec ${program}\n`, { mode: 0o755 });
}

function shell(t: Parameters<typeof startProcess>[0], world: World, line: string) {
  const bin = join(world.directory, "bin");
  return startProcess(t, "/bin/sh", ["-c", line], {
    cwd: world.directory,
    env: { ...world.environment, PATH: `${bin}:${process.env["PATH"]}` },
  });
}

test("the command lines of the pages run, in their order", async (t) => {
  const world = new World(t);
  const port = await freePort();
  putPrograms(world, port);
  putCommands(world);
  world.write("newel.config.ts", `export default ${JSON.stringify(CONFIG(port))};`);
  const isDown = ({ line }: { line: string }): boolean => line.startsWith("newel down");
  const order = [
    ...lines.filter(({ line }) => line === "newel up").slice(0, 1),
    ...lines.filter((each) => !isDown(each) && !GO_ON.test(each.line)),
    ...lines.filter(isDown),
  ];
  assert.ok(order.length > 35, `only ${order.length} lines`);
  const seen = new Set<string>();
  const goingOn: (() => Promise<void>)[] = [];
  for (const { place, line } of order) {
    if (seen.has(line.replace("npx ", ""))) continue;
    if (line.startsWith("newel down") && goingOn.length > 0)
      for (const end of goingOn.splice(0)) await end();
    seen.add(line.replace("npx ", ""));
    const child = shell(t, world, line);
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
    await new Promise((resolve) => child.once("close", resolve));
    assert.equal(child.exitCode, 0, `${place}: ${line}\n${stdout()}${stderr()}`);
    if (line !== "newel up") continue;
    for (const each of lines.filter((other) => GO_ON.test(other.line))) {
      const reader = shell(t, world, `exec ${each.line}`);
      const output = collect(reader.stdout);
      goingOn.push(async () => {
        await eventually(() => output() !== "", `${each.place}: ${each.line} prints`, 60_000);
        const closed = once(reader, "close");
        reader.kill("SIGINT");
        await closed;
      });
    }
  }
  assert.deepEqual(goingOn, []);
});
