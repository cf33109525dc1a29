import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import { eventually } from "../helpers/resources.ts";
import { collect, World } from "./world.ts";

const isRoot = process.getuid?.() === 0;

describe("newel exec", () => {
  const world = new World({ after });
  const exec = (...words: string[]) => world.newel("exec", ...words);

  test("runs with the configuration here before the app is up, and with the running one after", async () => {
    mkdirSync(join(world.directory, "inside"));
    const service = (motto: string): object => ({
      name: "shop",
      services: {
        web: {
          run: "exec sleep 1000",
          cwd: "inside",
          env: { MOTTO: motto, PORT: "$(port)", NUMBER: "$(replica)" },
          portRange: "4100-4109",
          replicas: 2,
          umask: "0027",
          ready: { after: "1ms" },
        },
        other: { run: "exec sleep 1000", user: "daemon", cwd: "/", enabled: false },
      },
    });
    const print = 'echo "$MOTTO $PORT $NUMBER $NEWEL_PROCESS $(umask) ${PWD##*/} ${CALLER:-none}"';
    world.configure(service("first"));
    const before = await exec("web", "--", "sh", "-c", print);
    assert.deepEqual(before, {
      code: 0,
      stdout: "first 4100 1 web.1 0027 inside none\n",
      stderr: "",
    });
    await world.succeed("up");
    world.configure(service("second"));
    const { stdout } = await exec("shop/web.2", "--", "sh", "-c", print);
    assert.equal(stdout, "first 4101 2 web.2 0027 inside none\n");
  });

  test("runs as the user of the service", { skip: isRoot ? false : "needs root" }, async () => {
    const { stdout } = await exec(
      "other",
      "--",
      "sh",
      "-c",
      "id -un; echo $HOME; echo $NEWEL_HOME",
    );
    assert.equal(stdout, "daemon\n/usr/sbin\n\n");
  });

  test("the exit code is that of the command, of its signal, or 127", async () => {
    assert.equal((await exec("web", "--", "sh", "-c", "exit 7")).code, 7);
    assert.equal((await exec("web", "--", "sh", "-c", "kill -TERM $$")).code, 143);
    const missing = await exec("web", "no-such-program");
    assert.equal(missing.code, 127);
    assert.match(missing.stderr, /no-such-program was not found in its PATH/);
    assert.equal((await exec("wbe", "--", "true")).code, 4);
    assert.equal((await exec("web.40", "--", "true")).code, 1);
    assert.equal((await exec("web")).code, 2);
  });

  test("a signal reaches the command, which decides about its end", async () => {
    const child = world.start(
      "exec",
      "web",
      "--",
      "sh",
      "-c",
      'trap "exit 5" TERM; echo on; while :; do sleep 0.1; done',
    );
    const output = collect(child.stdout);
    await eventually(() => output() === "on\n", "the command runs");
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "close"), [5, null]);
  });
});
