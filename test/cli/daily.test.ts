import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import { eventually, freePort, temporaryDirectory } from "../helpers/resources.ts";
import { World } from "./world.ts";

describe("commands of every day", () => {
  const world = new World({ after });

  test("sockets lists the addresses with the connections that wait", async () => {
    const port = await freePort();
    world.configure({
      name: "daily",
      services: {
        talk: { run: 'echo "one $$"; echo "two $$"; exec sleep 1000', ready: { after: "1ms" } },
        // The program accepts no connection.
        web: {
          run: "echo up; exec sleep 1000",
          listen: `127.0.0.1:${port}`,
          ready: { after: "1ms" },
          tags: ["front"],
        },
      },
    });
    const up = await world.newel("up");
    assert.equal(up.code, 0, up.stderr);
    const client = connect(port, "127.0.0.1");
    try {
      const [row] = await eventually(async () => {
        const { stdout } = await world.newel("sockets", "--json");
        const rows = JSON.parse(stdout) as readonly {
          name: string;
          port: number;
          waiting: number;
        }[];
        return rows[0]?.waiting === 1 && rows;
      }, "the connection is seen in the queue");
      assert.deepEqual([row?.name.endsWith(`port.127.0.0.1.${port}`), row?.port], [true, port]);
      const { stdout } = await world.newel("sockets");
      assert.match(
        stdout,
        /^SOCKET +ADDRESS +QUEUE +STATE\n\S+ +127\.0\.0\.1:\d+ +1\/4096 +bound\n$/,
      );
    } finally {
      client.destroy();
    }
    assert.equal((await world.newel("sockets", "none")).code, 4);
  });

  test("values are set, printed and removed, and those of newel itself are closed", async () => {
    assert.equal((await world.newel("values", "set", "feature/cart", "on")).code, 0);
    const got = await world.newel("values", "get", "feature/cart");
    assert.deepEqual([got.code, got.stdout], [0, "on\n"]);
    assert.equal((await world.newel("values")).stdout, "feature/cart\n");
    const own = await world.newel("values", "get", "newel/app/daily");
    assert.deepEqual([own.code, own.stdout], [2, ""]);
    assert.equal((await world.newel("values", "rm", "feature/cart")).code, 0);
    assert.equal((await world.newel("values", "get", "feature/cart")).code, 4);
  });

  test("flush drops output, all means every service, and completion knows services and tags", async () => {
    const flushed = await world.newel("flush", "web", "--json");
    assert.deepEqual(JSON.parse(flushed.stdout), { v: 1, pruned: ["daily/web"], bytes: 3 });
    assert.equal((await world.newel("restart", "all")).code, 0);
    const words = async (...typed: string[]): Promise<string> =>
      (await world.newel("completion", "words", "--", ...typed)).stdout
        .trim()
        .replaceAll("\n", " ");
    assert.equal(await words("re"), "releases reload restart");
    assert.equal(await words("jobs", "re"), "restore resume retry");
    assert.equal(await words("restart", ""), "@front talk web");
    assert.equal(await words("scale", "w"), "web=");
    assert.equal(await words("up", "--pl"), "--plan");
  });

  test("the bash script completes a command line", { skip: !hasBash() }, async (t) => {
    const script = (await world.newel("completion", "bash")).stdout;
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, "newel"), '#!/bin/sh\necho "$*"\n', { mode: 0o755 });
    const { stdout, stderr } = spawnSync(
      "bash",
      [
        "--norc",
        "-c",
        `${script}\nCOMP_WORDS=(newel restart w); COMP_CWORD=2; _newel; echo "\${COMPREPLY[@]}"`,
      ],
      { encoding: "utf8", env: { PATH: `${directory}:${process.env["PATH"]}` } },
    );
    assert.deepEqual([stdout, stderr], ["completion words -- restart w\n", ""]);
  });

  test("logs chooses lines by time and expression, and the run before the present one", async () => {
    const linesOf = async (...options: string[]): Promise<string[]> => {
      const { code, stdout, stderr } = await world.newel("logs", "talk", "--raw", ...options);
      assert.equal(code, 0, stderr);
      return stdout.split("\n").filter((line) => line !== "");
    };
    // Earlier tests may have restarted it: the last two lines are those of the present run.
    const first = (await linesOf("--grep", "^two", "-n", "1"))[0]?.split(" ")[1];
    assert.equal((await world.newel("restart", "talk")).code, 0);
    assert.deepEqual(await linesOf("--previous"), [`one ${first}`, `two ${first}`]);
    const all = await eventually(async () => {
      const lines = await linesOf("--since", "1h", "--grep", "^(one|two) ");
      return lines.length % 2 === 0 && !lines.at(-1)?.endsWith(` ${first}`) && lines;
    }, "the new run has printed both lines");
    assert.deepEqual(all.slice(-4, -2), [`one ${first}`, `two ${first}`]);
    assert.deepEqual(await linesOf("--until", "1h"), []);
    const wrong = await world.newel("logs", "talk", "--grep", "(");
    assert.deepEqual(
      [wrong.code, /--grep \( is no regular expression/.test(wrong.stderr)],
      [2, true],
    );
  });

  test("words of pm2 name the command to use, or say that nothing is to be done", async () => {
    const save = await world.newel("save");
    assert.deepEqual([save.code, /nothing to save/i.test(save.stderr)], [0, true]);
    const jlist = await world.newel("jlist");
    assert.deepEqual([jlist.code, /newel ps --json/.test(jlist.stderr)], [2, true]);
  });

  test("startup prints units, installs them where asked, and touches no unit of another hand", async () => {
    const newel = (...args: string[]) => world.newel("startup", ...args);
    const printed = await newel("--user");
    assert.equal(printed.code, 0, printed.stderr);
    assert.match(printed.stdout, /^ExecStart=\S+/m);
    assert.ok(printed.stdout.includes(`Environment=NEWEL_HOME=${world.home}`), printed.stdout);
    const units = join(world.directory, ".config/systemd/user");
    for (const _ of [1, 2]) {
      const installed = await newel("--user", "--install");
      assert.equal(installed.code, 0, installed.stderr);
      assert.match(
        installed.stdout,
        /^systemctl --user daemon-reload\nsystemctl --user enable --now newel-kernel newel-supervisor\nloginctl/,
      );
    }
    assert.ok(printed.stdout.includes(readFileSync(join(units, "newel-kernel.service"), "utf8")));
    assert.equal((await newel("--user", "--remove")).code, 0);
    mkdirSync(units, { recursive: true });
    writeFileSync(join(units, "newel-kernel.service"), "[Service]\n");
    for (const verb of ["--install", "--remove"]) {
      const refused = await newel("--user", verb);
      assert.deepEqual(
        [refused.code, refused.stderr.includes("NEWEL_E_STARTUP")],
        [1, true],
        refused.stderr,
      );
    }
    assert.equal(readFileSync(join(units, "newel-kernel.service"), "utf8"), "[Service]\n");
  });
});

function hasBash(): boolean {
  return spawnSync("bash", ["-c", "true"]).status === 0;
}
