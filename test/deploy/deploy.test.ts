import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, readlinkSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { test } from "node:test";

import { homeAt } from "../../src/base/home.ts";
import { layoutOf } from "../../src/deploy/layout.ts";
import type { Release } from "../../src/deploy/records.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import { collect, World } from "../cli/world.ts";
import { eventually, freePort, type Scope } from "../helpers/resources.ts";

/** A repository with an app whose answer names its version. */
class Repository {
  readonly world: World;
  readonly port: number;

  constructor(world: World, port: number) {
    this.world = world;
    this.port = port;
    this.git("init", "-q", "--initial-branch=main");
  }

  git(...args: string[]): string {
    const identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
    return execFileSync("git", [...identity, ...args], {
      cwd: this.world.directory,
      encoding: "utf8",
    });
  }

  /** Commits a version of the app. */
  commit(
    version: string,
    change: { readonly server?: string; readonly deploy?: object; readonly services?: object } = {},
  ): void {
    const { server = "", deploy = {}, services = {} } = change;
    this.world.write(
      "server.mjs",
      `import { createServer } from "node:http";
       import { readFileSync } from "node:fs";
       const built = readFileSync("built", "utf8").trim();
       const server = createServer((_, response) => response.end("${version} " + built));
       server.listen(Number(process.env.PORT), "127.0.0.1");
       ${server}`,
    );
    this.world.configure({
      name: "shop",
      services: {
        ...services,
        web: {
          node: "server.mjs",
          listen: this.port,
          env: { PORT: String(this.port) },
          ready: { timeout: "30s" },
          stop: { grace: "5s" },
        },
      },
      deploy: {
        build: `echo built-${version} > built`,
        shared: ["data"],
        verify: { for: "500ms", http: `http://127.0.0.1:${this.port}/` },
        keep: 20,
        ...deploy,
      },
    });
    this.git("add", "-A");
    this.git("commit", "-q", "-m", version, "--allow-empty");
  }

  answer(): Promise<string> {
    return fetchText(this.port);
  }

  releases(): Promise<readonly Release[]> {
    return this.world.json<readonly Release[]>("releases", "shop");
  }
}

function fetchText(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = get({ host: "127.0.0.1", port, agent: false }, (response) => {
      const text = collect(response);
      response.once("error", reject).once("end", () => resolve(text()));
    });
    asked.once("error", reject);
  });
}

/** Requests one after the other until the end; the failures are counted. */
function load(
  scope: Scope,
  port: number,
): { readonly failures: readonly string[]; readonly answers: number; end(): Promise<void> } {
  const seen = { failures: [] as string[], answers: 0, goesOn: true, end };
  const run = async (): Promise<void> => {
    while (seen.goesOn) {
      try {
        await fetchText(port);
        seen.answers += 1;
      } catch (error) {
        seen.failures.push(String(error));
      }
    }
  };
  const running = run();
  scope.after(end);
  return seen;

  async function end(): Promise<void> {
    seen.goesOn = false;
    await running;
  }
}

test("newel deploy", async (t) => {
  const world = new World(t);
  const repository = new Repository(world, await freePort());
  const layout = layoutOf(homeAt(world.home), "shop");

  await t.test("a commit is built in its own directory, and becomes live", async () => {
    repository.commit("v1");
    const { stderr } = await world.succeed("deploy");
    assert.match(stderr, /Release 1 of shop is live/);
    assert.equal(await repository.answer(), "v1 built-v1");
    const [first] = await repository.releases();
    assert.equal(first?.state, "live");
    assert.equal(first?.commit, repository.git("rev-parse", "HEAD").trim());
    assert.equal(
      readlinkSync(layout.current),
      join(layout.releases, "1", first?.file.split("/").at(-2) ?? ""),
    );
    assert.equal(existsSync(join(world.directory, "built")), false, "the repository is untouched");
    assert.match((await world.succeed("releases", "shop", "--log", "1")).stdout, /build: echo/);
  });

  const requests = load(t, repository.port);

  await t.test("a failed step leaves the old release live and names the step", async () => {
    const broken: readonly [RegExp, Parameters<Repository["commit"]>[1]][] = [
      [
        /failed at install: `echo no; exit 4` ended with exit code 4/,
        { deploy: { install: "echo no; exit 4" } },
      ],
      [/failed at test/, { deploy: { test: "exit 1" } }],
      [/failed at check: .*does not exist/, { deploy: { build: "rm server.mjs; mkdir built" } }],
      [/failed at migrate: `exit 9`/, { deploy: { migrate: "exit 9" } }],
      [/failed at switch: .*exit code 7/s, { server: "process.exit(7);" }],
      [
        /failed at verify: .*(?:restarted|backoff).*The app runs as before. The migration `echo up > ..\/..\/m` was undone/s,
        {
          services: { mail: { run: "sleep 4; exit 1", ready: { after: "0s" } } },
          deploy: {
            migrate: "echo up > ../../m",
            migrateDown: "echo down > ../../m",
            verify: { for: "30s" },
          },
        },
      ],
      [
        /failed at verify: .*answered 404/s,
        { deploy: { verify: { for: "5s", http: `http://127.0.0.1:${await notFound(t)}/` } } },
      ],
      [
        /failed at verify: `exit 5` ended/,
        { deploy: { verify: { for: "0ms", command: "exit 5" } } },
      ],
    ];
    for (const [index, [message, change]] of broken.entries()) {
      repository.commit(`broken-${index}`, change);
      const { code, stderr } = await world.newel("deploy");
      assert.equal(code, 1, stderr);
      assert.match(stderr, message);
      assert.equal(await repository.answer(), "v1 built-v1");
    }
    assert.equal(readFileSync(join(layout.releases, "m"), "utf8"), "down\n");
    const states = (await repository.releases()).map(({ state }) => state);
    assert.deepEqual(states, ["live", ...broken.map(() => "failed")]);
  });

  await t.test("a second deploy is refused, and a cancelled one is undone", async () => {
    repository.commit("slow", { deploy: { install: "touch ../began; sleep 600" } });
    const viewer = world.start("deploy");
    await eventually(
      async () => (await repository.releases()).at(-1)?.step === "install",
      "the install begins",
      30_000,
    );
    const second = await world.newel("deploy");
    assert.equal(second.code, 1);
    assert.match(second.stderr, /NEWEL_E_DEPLOY_RUNNING/);
    // The end of the display is not the end of the deploy.
    viewer.kill("SIGINT");
    await once(viewer, "close");
    assert.equal((await repository.releases()).at(-1)?.state, "deploying");
    const cancelled = await world.succeed("deploy", "--cancel", "shop");
    assert.match(cancelled.stderr, /failed at install: `touch ..\/began; sleep 600` was cancelled/);
    assert.equal((await repository.releases()).at(-1)?.state, "failed");
    assert.match((await world.newel("deploy", "--cancel")).stderr, /NEWEL_E_DEPLOY_NOT_RUNNING/);
  });

  await t.test("a deploy that is killed is interrupted, and the next one works", async () => {
    const kernel = await connectKernel({ home: homeAt(world.home) });
    t.after(() => kernel.close());
    repository.commit("killed", { deploy: { test: "sleep 600" } });
    const viewer = world.start("deploy");
    await eventually(
      async () => (await repository.releases()).at(-1)?.step === "test",
      "the test begins",
      30_000,
    );
    await kernel.processes.signal("deploy/shop", "SIGKILL", "tree");
    const [code] = await once(viewer, "close");
    assert.equal(code, 1);
    assert.equal((await repository.releases()).at(-1)?.state, "interrupted");
    assert.equal(await repository.answer(), "v1 built-v1");
  });

  await t.test(
    "files of shared paths stay, and a tar stream is deployed by the name of its app",
    async () => {
      mkdirSync(join(layout.current, "data"), { recursive: true });
      repository.commit("v2");
      const archive = `cd ${world.directory} && git archive HEAD | "$@"`;
      const ran = await world.shell(archive, "deploy", "shop", "-");
      assert.equal(ran.code, 0, ran.stderr);
      assert.equal(await repository.answer(), "v2 built-v2");
      assert.equal(readlinkSync(join(layout.current, "data")), join(layout.shared, "data"));
    },
  );

  await t.test(
    "a rollback brings back the release that was live before, and forth again",
    async () => {
      await world.succeed("rollback");
      assert.equal(await repository.answer(), "v1 built-v1");
      const number = (await repository.releases()).at(-1)?.number;
      await world.succeed("rollback", String(number));
      assert.equal(await repository.answer(), "v2 built-v2");
      const refused = await world.newel("rollback", "2");
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /NEWEL_E_DEPLOY_NO_RELEASE/);
    },
  );

  await requests.end();
  assert.deepEqual(requests.failures, []);
  assert.ok(requests.answers > 100);
});

/** The port of a server that has nothing. */
async function notFound(scope: Scope): Promise<number> {
  const { createServer } = await import("node:http");
  const server = createServer((_, response) => response.writeHead(404).end()).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  scope.after(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
