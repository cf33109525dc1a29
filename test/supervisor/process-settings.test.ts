import assert from "node:assert/strict";
import { chmodSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { NOBODY, withoutRoot } from "../helpers/as-nobody.ts";
import { eventually } from "../helpers/resources.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

/** An address of loopback whose ports no other program of this machine has. */
const HOST = `127.77.${(process.pid >> 8) & 255}.${process.pid & 255 || 1}`;

const SERVER = `require("http").createServer((_, answer) => answer.end(process.env.NEWEL_PROCESS)).listen(process.env.PORT, "${HOST}")`;

const ask = async (port: number): Promise<string> =>
  (await fetch(`http://${HOST}:${port}/`)).text();

test("each replica has its port of portRange, and a scale past the range changes nothing", async (t) => {
  const app = new SupervisedApp(t);
  const web = {
    run: [process.execPath, "-e", SERVER],
    portRange: "4001-4003",
    replicas: 2,
    env: { PORT: "$(port)" },
    ready: { http: `http://${HOST}:$(port)/`, timeout: "60s", stable: "10ms" },
    stop: { grace: "1s" },
  };
  const up = await app.up({ services: { web } });
  assert.ok(up.ok, JSON.stringify(up.failed));
  assert.deepEqual(await Promise.all([4001, 4002].map(ask)), ["web.1", "web.2"]);
  const refused = await app.scale("web", 4);
  assert.deepEqual([refused.ok, refused.failed[0]?.code], [false, "NEWEL_E_PORT_RANGE"]);
  assert.equal((await app.service("web")).replicas, 2);
  const three = await app.scale("web", 3);
  assert.ok(three.ok, JSON.stringify(three.failed));
  const reload = await app.verb("reload", "web");
  assert.ok(reload.ok, JSON.stringify(reload.failed));
  assert.deepEqual(await Promise.all([4001, 4002, 4003].map(ask)), ["web.1", "web.2", "web.3"]);
});

/** A line of /proc/PID/status, without its name. */
const statusOf = (pid: number | undefined, name: string): string =>
  new RegExp(`^${name}:\\t(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ??
  "";

/** Soft and hard limit of a process. */
const limitOf = (pid: number | undefined, title: string): readonly string[] =>
  new RegExp(`^${title} +(\\S+) +(\\S+)`, "m")
    .exec(readFileSync(`/proc/${pid}/limits`, "latin1"))
    ?.slice(1) ?? [];

test(
  "a service runs as its user with its limits and priority, and its socket's file belongs to the user",
  { skip: withoutRoot },
  async (t) => {
    const app = new SupervisedApp(t);
    chmodSync(app.directory, 0o755);
    const env = { PORT: "4100" };
    const up = await app.up({
      sockets: { web: { port: 4100, host: HOST }, file: { path: "own.sock", umask: "077" } },
      services: {
        web: {
          node: app.write("web.cjs", SERVER),
          listen: "web",
          replicas: 2,
          env,
          user: "nobody",
          ready: { timeout: "60s", stable: "10ms" },
        },
        file: {
          run: "env > $OUT; exec sleep 1000",
          listen: "file",
          env: { OUT: join(app.directory, "out") },
          user: NOBODY,
          group: "daemon",
          limits: { nofile: 512, core: 0, fsize: "64MiB", cpu: "90s", as: "unlimited" },
          nice: 5,
          ready: { after: "10ms" },
        },
        plain: { run: "exec sleep 1000", nice: -1, ready: { after: "10ms" } },
      },
    });
    assert.ok(up.ok, JSON.stringify(up.failed));
    assert.match(await ask(4100), /^web\.[12]$/);
    const pids = {
      ...(await app.pids("web")),
      ...(await app.pids("file")),
      ...(await app.pids("plain")),
    };
    const four = (id: number): string => Array.from({ length: 4 }, () => id).join("\t");
    assert.equal(statusOf(pids["web.2"], "Uid"), four(NOBODY));
    assert.equal(statusOf(pids["web.2"], "Gid"), four(NOBODY));
    assert.deepEqual(
      [statusOf(pids["file.1"], "Uid"), statusOf(pids["file.1"], "Gid")],
      [four(NOBODY), four(1)],
    );
    assert.deepEqual(
      [
        "Max open files",
        "Max core file size",
        "Max file size",
        "Max cpu time",
        "Max address space",
      ].map((title) => limitOf(pids["file.1"], title)[1]),
      ["512", "0", "67108864", "90", "unlimited"],
    );
    const niceOf = (pid: number | undefined): string =>
      readFileSync(`/proc/${pid}/stat`, "latin1").replace(/.*\) /, "").split(" ")[16] ?? "";
    const own = Number(niceOf(process.pid));
    assert.deepEqual(
      [pids["file.1"], pids["plain.1"]].map(niceOf),
      [Math.min(19, own + 5), own - 1].map(String),
    );
    // The shell could not write into the directory of root: its variables come from its start.
    const variables = readFileSync(`/proc/${pids["file.1"]}/environ`, "latin1").split("\0");
    assert.deepEqual(
      variables.filter((each) => /^(USER|LOGNAME|NEWEL_HOME)=/.test(each)).toSorted(),
      ["LOGNAME=nobody", "USER=nobody"],
    );
    const { uid, gid } = statSync(join(app.directory, "own.sock"));
    assert.deepEqual([uid, gid], [NOBODY, 1]);
    assert.equal(statSync(app.home.directory).mode & 0o777, 0o711);
    // A reload holds, probes and drains through control sockets that belong to the user.
    const reload = await app.verb("reload", "web");
    assert.ok(reload.ok, JSON.stringify(reload.failed));
    assert.match(await ask(4100), /^web\.[123]$/);
    // A second kernel and supervisor accept the home as it is now.
    await app.killSupervisor();
    await eventually(async () => (await app.service("web")).ready === 2, "both replicas are known");
  },
);
