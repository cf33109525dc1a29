import assert from "node:assert/strict";
import { chmodSync, utimesSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { after, describe, test } from "node:test";

import { homeAt } from "../../src/base/home.ts";
import { freePort } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { World } from "./world.ts";

interface Report {
  readonly v: number;
  readonly ok: boolean;
  readonly checks: readonly {
    readonly check: string;
    readonly state: string;
    readonly what: string;
    readonly fix?: string;
  }[];
}

describe("newel doctor", () => {
  const world = new World({ after });

  /** The problems that it finds, as `CHECK: WHAT`; each has a step to take. */
  async function problems(): Promise<string[]> {
    const { code, stdout } = await world.newel("doctor", "--json");
    const { ok, checks } = JSON.parse(stdout) as Report;
    const found = checks.filter(({ state }) => state === "problem");
    assert.deepEqual([ok, code], [found.length === 0, found.length === 0 ? 0 : 1]);
    assert.ok(found.every(({ fix = "" }) => fix.length > 0));
    return found.map(({ check, what }) => `${check}: ${what}`);
  }

  test("finds no problem before the first up and while an app runs, and prints a line a check", async () => {
    assert.deepEqual(await problems(), []);
    world.configure({
      name: "shop",
      services: { web: { run: "exec sleep 1000", listen: `127.0.0.1:${await freePort()}` } },
    });
    await world.succeed("up");
    assert.deepEqual(await problems(), []);
    const { code, stdout, stderr } = await world.newel("doctor");
    assert.equal(code, 0);
    assert.match(stdout, /^ok +versions +newel \S+ on Node\.js v\d+/);
    assert.match(stdout, /^ok +kernel +pid \d+, version /m);
    assert.match(stdout, /^ok +open files +the kernel has \d+ of \d+$/m);
    assert.equal(stderr, "No problem was found.\n");
  });

  test("names a home that is open to others, a clock that is behind, and a missing supervisor", async () => {
    chmodSync(world.home, 0o755);
    assert.deepEqual(await problems(), [
      `home: ${world.home} has mode 755: other users may enter it`,
    ]);
    chmodSync(world.home, 0o700);
    const { journal } = homeAt(world.home);
    const tomorrow = new Date(Date.now() + 86_400_000);
    utimesSync(journal, tomorrow, tomorrow);
    const [clock = ""] = await problems();
    assert.match(clock, /^clock: .* is before the last change of /);
    utimesSync(journal, new Date(), new Date());
    sendSignal(await world.supervisorPid(), "SIGKILL");
    assert.deepEqual(await problems(), ["supervisor: not running, although shop should be up"]);
  });

  test("names a taken port with its process, a missing program and a wrong configuration", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    try {
      world.configure({
        name: "other",
        services: {
          web: { run: ["no-such-program"], listen: `127.0.0.1:${port}` },
        },
      });
      const found = (await problems()).filter((line) => !line.startsWith("supervisor"));
      assert.match(
        found[0] ?? "",
        /^programs: web cannot be started: its program no-such-program was not found/,
      );
      assert.match(
        found[1] ?? "",
        new RegExp(`^ports: port ${port} .* is taken by pid ${process.pid} `),
      );
    } finally {
      server.close();
    }
    world.configure({ services: { web: { run: "x", replicas: "many" } } });
    const wrong = (await problems()).filter((line) => !line.startsWith("supervisor"));
    assert.match(wrong[0] ?? "", /^configuration: .*newel\.config\.json:1/);
  });
});
