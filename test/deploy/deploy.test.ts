import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { homeAt } from "../../src/base/home.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import { collect, World } from "../cli/world.ts";
import { asOtherBoot } from "../helpers/reboot.ts";
import { eventually, freePort, isAlive } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { load, Repository } from "./repository.ts";
import { blows, brokenVersions, perform, settledLeftovers, startNotFound } from "./trials.ts";

/** The trials of the soak that run different code. */
const BROKEN = [
  "install fails",
  "throws at boot",
  "a migration is undone",
  "its clients get error responses",
];
const BLOWS = ["deploy during switch", "supervisor during switch", "kernel during switch"];

test("newel deploy", async (t) => {
  const world = new World(t);
  const repository = new Repository(world, await freePort());
  const { layout } = repository;

  await t.test("a commit is built in its own directory, and becomes live", async () => {
    repository.commit("v1");
    const { stderr } = await world.succeed("deploy");
    assert.match(stderr, /Release 1 of shop is live/);
    assert.equal(await repository.answer(), "v1 built-v1");
    const [first] = repository.records;
    assert.equal(first?.state, "live");
    assert.equal(first?.commit, repository.git("rev-parse", "HEAD").trim());
    assert.equal(
      readlinkSync(layout.current),
      join(layout.releases, "1", first?.file.split("/").at(-2) ?? ""),
    );
    assert.equal(existsSync(join(world.directory, "built")), false, "the repository is untouched");
    assert.match((await world.succeed("releases", "shop", "--log", "1")).stdout, /build: echo/);
    assert.match((await world.succeed("logs", "deploy/1")).stdout, /build: echo/);
    assert.match((await world.newel("logs", "deploy/9")).stderr, /NEWEL_E_DEPLOY_NO_RELEASE/);
  });

  await t.test("a deploy leaves marks in logs, events and metrics", async () => {
    const events = world.start("events");
    const seen = collect(events.stdout);
    // The first events prove that it follows.
    await world.succeed("restart", "web", "--app", "shop");
    await eventually(() => seen().includes("shop/web"), "events are followed");
    const marks = (await world.succeed("logs", "--app", "shop")).stdout;
    assert.match(marks, /deploy.*release 1 of shop: switch\n[^]*deploy.*release 1 of shop: live/);
    repository.commit("refused", { deploy: { build: "exit 3" } });
    await world.newel("deploy");
    await eventually(() => /deploy\/2 failed: failed at build/.test(seen()), "the event");
    assert.match(seen(), /deploy\/2 running: build/);
    events.kill();
    const metrics = (await world.succeed("metrics")).stdout;
    assert.match(metrics, /^newel_release\{service_namespace="shop"\} 1$/m);
    assert.match(metrics, /^newel_deploys_total\{service_namespace="shop",result="live"\} 1$/m);
    assert.match(metrics, /^newel_deploys_total\{service_namespace="shop",result="failed"\} 1$/m);
  });

  await t.test("a plan prints the steps and leaves nothing", async () => {
    repository.commit("planned", { web: { replicas: 2 }, deploy: { migrate: "exit 1" } });
    const { stdout } = await world.succeed("deploy", "--plan");
    assert.match(stdout, /^Release 3 of shop: git HEAD [0-9a-f]{8}, .* free$/m);
    assert.match(stdout, /build: echo built-planned > built {2}\(at most 10m\)[^]*migrate: exit 1/);
    assert.match(stdout, /web {2}(?:reload|scale)/);
    assert.deepEqual(
      readdirSync(layout.directory).filter((name) => name.startsWith("plan-")),
      [],
    );
    const plan = await world.json<{ release: number; deploy: { keep: number } }>(
      "deploy",
      "--plan",
    );
    assert.deepEqual([plan.release, plan.deploy.keep], [3, 50]);
  });

  const requests = load(t, repository.port);

  await t.test("a failed step leaves the old release live and names the step", async () => {
    const { port: notFound, server } = await startNotFound();
    t.after(() => void server.close());
    for (const part of BROKEN) {
      const trial = brokenVersions({ notFound }).find(({ name }) => name.includes(part));
      assert.ok(trial !== undefined, part);
      const { code, state, problems } = await perform(repository, trial);
      assert.deepEqual({ code, state, problems }, { code: 1, state: "failed", problems: [] }, part);
    }
    assert.equal(readFileSync(join(layout.shared, "data/m"), "utf8"), "down\n");
  });

  await t.test("a killed deploy, supervisor or kernel leaves a whole release", async () => {
    for (const part of BLOWS) {
      const trial = blows().find(({ name }) => name.includes(part));
      assert.ok(trial !== undefined, part);
      assert.deepEqual((await perform(repository, trial)).problems, [], part);
    }
  });

  await t.test("a second deploy is refused, and a cancelled one is undone", async () => {
    repository.commit("slow", { deploy: { install: "touch ../began; sleep 600" } });
    const viewer = world.start("deploy");
    await repository.reached("install");
    const second = await world.newel("deploy");
    assert.equal(second.code, 1);
    assert.match(second.stderr, /NEWEL_E_DEPLOY_RUNNING/);
    // The end of the display is not the end of the deploy.
    viewer.kill("SIGINT");
    await once(viewer, "close");
    assert.equal(repository.records.at(-1)?.state, "deploying");
    const cancelled = await world.succeed("deploy", "--cancel", "shop");
    assert.match(cancelled.stderr, /failed at install: `touch ..\/began; sleep 600` was cancelled/);
    assert.equal(repository.records.at(-1)?.state, "failed");
    assert.match((await world.newel("deploy", "--cancel")).stderr, /NEWEL_E_DEPLOY_NOT_RUNNING/);
    assert.deepEqual(await repository.leftovers(), []);
  });

  await t.test(
    "files of shared paths stay, and a tar stream is deployed by the name of its app",
    async () => {
      mkdirSync(join(layout.current, "data"), { recursive: true });
      repository.commit("v1.1");
      await world.succeed("deploy");
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
      const live = repository.records.findLast(({ state }) => state === "live")?.number;
      await world.succeed("rollback");
      assert.equal(await repository.answer(), "v1.1 built-v1.1");
      await world.succeed("rollback", String(live));
      assert.equal(await repository.answer(), "v2 built-v2");
      const refused = await world.newel("rollback", "2");
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /NEWEL_E_DEPLOY_NO_RELEASE/);
    },
  );

  await requests.end();
  assert.deepEqual(requests.failures, []);
  assert.ok(requests.answers > 100);

  await t.test("a deploy that a reboot interrupts is undone by the next start", async () => {
    repository.commit("v3", { deploy: { verify: { for: "10m" } } });
    const viewer = world.start("deploy");
    await repository.reached("verify");
    assert.match(await repository.answer(), /^v3/);
    viewer.kill("SIGKILL");
    await loseAll(world);
    // Any command starts the supervisor.
    await world.newel("show", "web");
    await eventually(
      () => repository.records.at(-1)?.state === "interrupted",
      "the deploy is undone",
    );
    assert.equal(await repository.answer(), "v2 built-v2");
    assert.deepEqual(await settledLeftovers(repository), []);
  });
});

/** Ends every process of a home, as a reboot does. */
async function loseAll(world: World): Promise<void> {
  const home = homeAt(world.home);
  const kernel = await connectKernel({ home });
  const supervisor = await world.supervisorPid();
  const { pid } = await kernel.status();
  const trees = await kernel.processes.trees(["*"]);
  await kernel.close();
  // The supervisor goes first: it would start the rest again.
  const pids = [
    supervisor,
    pid,
    ...trees.flatMap(({ processes }) => processes.map((each) => each.pid)),
  ];
  for (const each of pids) if (isAlive(each)) sendSignal(each, "SIGKILL");
  await eventually(() => !pids.some(isAlive), "all have ended");
  asOtherBoot(home);
}
