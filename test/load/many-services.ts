import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { reboot } from "../helpers/reboot.ts";
import { eventually, isAlive, type Scope } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

const CLI = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const LIMIT_MS = 120_000;
const run = promisify(execFile);

/** How long each step took, in milliseconds. */
export type StepTimes = Readonly<Record<string, number>>;

/**
 * Takes an app of many small services through its life: `up`, `ps`, a second `up`, a kernel and a
 * supervisor that are killed, a reboot, `restart`, `stop`, `start`, `down`. After each step every service runs, with the
 * processes of before where nothing may end them; after `down` no process is left.
 *
 * @throws when this does not hold
 */
export async function liveThrough(scope: Scope, count: number): Promise<StepTimes> {
  const many = new ManyServices(scope, count);
  const { app } = many;
  await many.time("up", () => many.up(true));
  const first = await many.settled();
  await many.time("ps", () => many.ps());
  await many.time("up again", () => many.up(false));
  assert.deepEqual(await many.settled(), first);

  await many.time("kernel killed", async () => {
    const kernel = await app.kernel();
    const { pid } = await kernel.status();
    sendSignal(pid, "SIGKILL");
    await eventually(() => !isAlive(pid), "the kernel is dead");
    assert.deepEqual(await many.settled(), first);
  });
  await many.time("supervisor killed", async () => {
    await app.killSupervisor();
    assert.deepEqual(await many.settled(), first);
  });
  await many.time("both killed", async () => {
    const { pid } = await (await app.kernel()).status();
    await app.killSupervisor();
    sendSignal(pid, "SIGKILL");
    await eventually(() => !isAlive(pid), "the kernel is dead");
    assert.deepEqual(await many.settled(), first);
  });
  await many.time("reboot", async () => {
    await reboot(app);
    await many.settled();
  });
  await many.time("ps after the reboot", () => many.ps());
  const before = await many.settled();
  await many.time("restart", async () => {
    const { ok, killed } = await app.verb("restart");
    assert.ok(ok);
    assert.deepEqual(killed, []);
  });
  const after = new Set((await many.settled()).values());
  const kept = [...before.values()].filter((pid) => after.has(pid));
  assert.deepEqual(kept, [], "processes that were not restarted");

  await many.time("stop", async () => assert.ok((await app.verb("stop")).ok));
  await app.killSupervisor();
  await many.time("start after a kill", async () => {
    const stopped = await (await app.supervisor()).list({ names: [] });
    assert.deepEqual([...new Set(stopped.map(({ state }) => state))], ["stopped"]);
    assert.ok((await app.verb("start")).ok);
  });
  const last = await many.settled();

  await many.time("down", () => many.down());
  const left = [...last.values()].filter(isAlive);
  assert.deepEqual(left, [], "processes that are left");
  assert.deepEqual(await app.running(), []);
  return many.times;
}

class ManyServices {
  readonly app: SupervisedApp;
  readonly times: Record<string, number> = {};
  readonly #count: number;

  constructor(scope: Scope, count: number) {
    this.app = new SupervisedApp(scope);
    this.#count = count;
  }

  async time(step: string, act: () => Promise<unknown>): Promise<void> {
    const begun = performance.now();
    await act();
    this.times[step] = Math.round(performance.now() - begun);
  }

  async up(changes: boolean): Promise<void> {
    const names = Array.from({ length: this.#count }, (_, at) => `s${at}`);
    const service = { run: ["/bin/sleep", "100000"], ready: { after: "10ms" } };
    const services = Object.fromEntries(names.map((name) => [name, service]));
    const { ok, changed, failed } = await this.app.up({ services });
    assert.ok(ok, JSON.stringify(failed));
    assert.equal(changed, changes);
  }

  async ps(): Promise<void> {
    const { directory, home } = this.app;
    const { stdout } = await run(process.execPath, [CLI, "ps", "--json"], {
      cwd: directory,
      env: { ...process.env, NEWEL_HOME: home.directory },
      maxBuffer: 1 << 26,
    });
    assert.ok(stdout.includes(`"s${this.#count - 1}"`), stdout);
  }

  async down(): Promise<void> {
    const progress = await Array.fromAsync((await this.app.supervisor()).down(undefined));
    const end = progress.at(-1);
    assert.ok(end?.type === "end" && end.ok, JSON.stringify(end));
  }

  /** The pid of each service once every one runs and is ready. */
  async settled(): Promise<ReadonlyMap<string, number>> {
    const views = await eventually(
      async () => {
        const all = await (await this.app.supervisor()).list({ names: [] });
        return all.every(({ state, ready }) => state === "running" && ready === 1) && all;
      },
      "every service runs",
      LIMIT_MS,
    );
    assert.equal(views.length, this.#count);
    const pids = views.flatMap(({ name, processes }) =>
      processes.map(({ pid = 0 }) => [name, pid] as const),
    );
    assert.equal(pids.length, this.#count);
    assert.ok(pids.every(([, pid]) => isAlive(pid)));
    return new Map(pids);
  }
}
