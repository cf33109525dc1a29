import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";

import { execute } from "../../src/cli/cli.ts";
import { freePort } from "../helpers/resources.ts";
import { SHAPES } from "../supervisor/translate/shapes/all.ts";
import { fileOf } from "../supervisor/translate/shapes/shape.ts";
import { Capture, type Ran } from "./capture.ts";
import { whoAnswers, World } from "./world.ts";

const RUNNING = Object.values(SHAPES)
  .flat()
  .filter(({ runs }) => runs === true);

/** A web server that reports readiness as under pm2, and answers with its name, instance and value. */
const REPORTING = `
require("node:http")
  .createServer((_, response) => response.end("web " + process.env.NODE_APP_INSTANCE + " " + process.env.SHOP_KEY))
  .listen(process.env.PORT, () => process.send("ready"));
`;

const ADMIN = `require("node:http").createServer((_, response) => response.end("admin")).listen(process.env.PORT);`;

function ecosystem(web: number, admin: number): string {
  return `module.exports = {
  apps: [
    {
      name: "web",
      script: "./server.js",
      instances: 2,
      exec_mode: "cluster",
      wait_ready: true,
      kill_timeout: 3000,
      env: { SHOP_KEY: process.env.SHOP_KEY },
      env_production: { NODE_ENV: "production", PORT: ${web} },
    },
    { name: "admin", script: "npm", args: "run admin", env: { PORT: ${admin} } },
    { name: "mail", script: "./mail.js", max_memory_restart: "300M", watch: true },
    { name: "report", script: "./report.sh", interpreter: "sh", cron_restart: "0 3 * * *", autorestart: false, log_type: "json" },
  ],
};
`;
}

class Project extends World {
  #cwd = "";
  variables: Readonly<Record<string, string>> = {};

  /** Runs a command line in this process, to its end. */
  override async newel(...args: string[]): Promise<Ran> {
    const [stdout, stderr] = [new Capture(), new Capture()];
    const environment = { ...this.environment, SHOP_KEY: "hunter2hunter2", ...this.variables };
    const code = await execute(args, { stdout, stderr, cwd: this.#cwd, environment });
    return { code, stdout: stdout.text, stderr: stderr.text };
  }

  /** Writes files into a directory, where command lines are run from now on. */
  enter(name: string, files: Readonly<Record<string, string>>): string {
    const directory = join(this.directory, name);
    this.#cwd = directory;
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, path)), { recursive: true });
      writeFileSync(join(directory, path), content);
    }
    return directory;
  }
}

const shop = (web: number, admin: number): Record<string, string> => ({
  "ecosystem.config.js": ecosystem(web, admin),
  "server.js": REPORTING,
  "admin.js": ADMIN,
  "mail.js": "setInterval(() => {}, 1000);",
  "report.sh": "echo sold",
  "package.json": '{ "scripts": { "admin": "node admin.js" } }',
});

describe("newel init and the files of other tools", () => {
  // One supervisor has all the apps.
  const world = new Project({ after });
  test("a pm2 file of four apps serves after init and up", async () => {
    const [web, admin] = [await freePort(), await freePort()];
    const directory = world.enter("shop", shop(web, admin));
    const init = await world.succeed("init");
    assert.equal(init.stdout, "");
    assert.match(init.stderr, /^Read ecosystem\.config\.js \(pm2\): 4 services\.$/m);
    assert.match(
      init.stderr,
      /^ {2}ecosystem\.config\.js:15 {2}report\.cron_restart is a schedule/m,
    );
    const written = readFileSync(join(directory, "newel.config.ts"), "utf8");
    assert.match(written, /maxMemory: "300MiB"/);
    assert.match(written, /schedule: .*0 3 \* \* \*/);
    assert.match(written, /SHOP_KEY: process\.env\.SHOP_KEY/);
    assert.ok(!(written + init.stderr).includes("hunter2"), "a value of the shell is printed");
    const { stderr } = await world.succeed("up");
    assert.match(
      stderr,
      /shop is up: web 2\/2 on \S+; admin 1\/1 on \S+; mail 1\/1; report runs in \S+\./,
    );
    const answers = new Set<string>();
    for (let request = 0; answers.size < 2 && request < 500; request += 1)
      answers.add(await whoAnswers(web));
    assert.deepEqual([...answers].toSorted(), ["web 0 hunter2hunter2", "web 1 hunter2hunter2"]);
    assert.equal(await whoAnswers(admin), "admin");
    // The file of pm2 stays; the configuration of newel is the one that counts, and is not replaced.
    const again = await world.newel("init");
    assert.equal(again.code, 1);
    assert.match(again.stderr, /newel\.config\.ts exists already[^]*NEWEL_E_INIT_EXISTS/);
    assert.equal(readFileSync(join(directory, "newel.config.ts"), "utf8"), written);
    const printed = await world.succeed("init", "--print");
    assert.equal(printed.stdout, written);
    assert.match((await world.succeed("up")).stderr, /Nothing to do/);
  });

  test("up runs a file of pm2 and a Procfile as they are", async () => {
    const [web, admin, procfile] = [await freePort(), await freePort(), await freePort()];
    world.enter("direct", shop(web, admin));
    const { stderr } = await world.succeed("up");
    assert.match(stderr, /^Reading ecosystem\.config\.js \(pm2\): web, admin, mail, report\. /m);
    assert.match(stderr, /Without effect: log_type\./);
    assert.match(stderr, /direct is up: web 2\/2/);
    assert.match(await whoAnswers(web), /^web [01] hunter2hunter2$/);
    assert.match((await world.succeed("up")).stderr, /Nothing to do/);
    assert.equal((await world.newel("reload", "web")).code, 0);
    world.enter("heroku", {
      "Procfile.dev": "release: echo migrated\nweb: node server.js\n",
      "server.js": ADMIN,
    });
    world.variables = { PORT: String(procfile) };
    const up = await world.succeed("up", "-f", "Procfile.dev");
    assert.match(up.stderr, /^Reading Procfile\.dev \(Procfile\): release, web\./m);
    assert.equal(await whoAnswers(procfile), "admin");
  });

  test("files of every tool run after init", async () => {
    assert.ok(RUNNING.length >= 8, `${RUNNING.length} shapes`);
    for (const [index, shape] of RUNNING.entries()) {
      const port = await freePort();
      const name = `app-${index}`;
      const directory = join(world.directory, name);
      const files = Object.entries(shape.files).map(([path, text]) => [
        path,
        fileOf(text, { directory, port }),
      ]);
      world.enter(name, Object.fromEntries(files) as Record<string, string>);
      world.variables = shape.environment?.["PORT"] === undefined ? {} : { PORT: String(port) };
      await world.succeed("init", "--from", ...[shape.from].flat());
      const { code, stderr } = await world.newel("up");
      assert.equal(code, 0, `${shape.title}: ${stderr}`);
      assert.match(await whoAnswers(port), /^ok/, shape.title);
    }
  });
});
