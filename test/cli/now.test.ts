import assert from "node:assert/strict";
import { test } from "node:test";

import { eventually, isAlive } from "../helpers/resources.ts";
import { World } from "./world.ts";

interface Listed {
  readonly state: string;
  readonly processes: readonly { readonly pid: number; readonly state: string }[];
}

for (const verb of ["stop", "down"]) {
  test(`${verb} --now ends the grace of a ${verb} under way, and both succeed`, async (t) => {
    const world = new World(t);
    world.write("stubborn.mjs", "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);");
    const stubborn = {
      run: [process.execPath, "stubborn.mjs"],
      ready: { after: "500ms" },
      stop: { grace: "120s" },
    };
    const tail = { run: "exec sleep 1000", ready: { after: "50ms" }, dependsOn: ["stubborn"] };
    world.configure({ name: "app", services: { stubborn, tail } });
    await world.succeed("up");
    const listed = await world.json<Listed[]>("ps");
    const pids = listed.flatMap(({ processes }) => processes.map(({ pid }) => pid));
    assert.equal(pids.length, 2);

    const words = verb === "stop" ? ["stop", "--all"] : ["down"];
    const first = world.newel(...words);
    const isStopping = async (): Promise<boolean> => {
      const [service] = await world.json<Listed[]>("ps", "stubborn");
      return service?.processes.some(({ state }) => state === "stopping") ?? false;
    };
    await eventually(isStopping, "the replica has the stop signal", 60_000);
    const second = await world.newel(...words, "--now");
    assert.equal(second.code, 0, second.stderr);
    const { code, stderr } = await first;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /killed the processes that outlived the stop/);
    assert.ok(!pids.some(isAlive));
  });
}
