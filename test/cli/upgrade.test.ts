import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { homeAt } from "../../src/base/home.ts";
import { homeOfInstallations, Installation } from "../helpers/installation.ts";
import {
  eventually,
  freePort,
  isAlive,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { smallFileSystem } from "../helpers/small-file-system.ts";

const SERVER = `require("node:http").createServer((request, response) => response.end(String(process.pid))).listen(Number(process.env.PORT), "127.0.0.1");`;

/** A release of an app: newel and the app in its own directory. */
function release(scope: Scope, home: string, port: number, version = "1.0.0"): Installation {
  const installation = new Installation(scope, { version, home });
  installation.write("server.cjs", SERVER);
  const web = {
    node: "server.cjs",
    listen: `127.0.0.1:${port}`,
    env: { PORT: String(port) },
    ready: { stable: "10ms" },
  };
  installation.write("newel.config.json", JSON.stringify({ name: "releases", services: { web } }));
  return installation;
}

async function answeringPid(port: number): Promise<number | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}`, {
      headers: { connection: "close" },
      signal: AbortSignal.timeout(5_000),
    });
    return Number(await response.text());
  } catch {
    return undefined;
  }
}

/** Kills a process and waits until another one answers. */
async function killAndSeeAnother(port: number): Promise<void> {
  const pid = (await answeringPid(port)) ?? assert.fail("nothing answers");
  sendSignal(pid, "SIGKILL");
  const isAnother = async (): Promise<boolean> => {
    const answers = await answeringPid(port);
    return answers !== undefined && answers !== pid;
  };
  await eventually(isAnother, "another process answers", 60_000);
}

async function kill(pid: number): Promise<void> {
  sendSignal(pid, "SIGKILL");
  await eventually(() => !isAlive(pid), `${pid} is dead`);
}

function pidIn(lock: string): number {
  return existsSync(lock) ? Number(readFileSync(lock, "utf8")) : 0;
}

/** Waits until another daemon than the one before has a lock. */
async function nextDaemon(lock: string, before: number): Promise<void> {
  const isNext = (): boolean => pidIn(lock) !== before && pidIn(lock) > 0 && isAlive(pidIn(lock));
  await eventually(isNext, `a daemon after ${before}`, 60_000);
}

test("after the release that started newel was removed, everything can be started again", async (t) => {
  const home = homeOfInstallations(t);
  const { supervisorLock, kernelLock } = homeAt(home);
  const port = await freePort();
  const [first, second] = [release(t, home, port), release(t, home, port)];
  await first.succeed("up");
  await second.succeed("up");
  first.remove();
  await second.succeed("reload");
  await killAndSeeAnother(port);

  const kernel = pidIn(kernelLock);
  await kill(kernel);
  await nextDaemon(kernelLock, kernel);
  await killAndSeeAnother(port);

  const supervisor = pidIn(supervisorLock);
  await kill(supervisor);
  await second.succeed("reload");
  await killAndSeeAnother(port);

  await Promise.all([kill(pidIn(supervisorLock)), kill(pidIn(kernelLock))]);
  await second.succeed("reload");
  await killAndSeeAnother(port);
});

test("an installation that is replaced in place breaks nothing that runs", async (t) => {
  const home = homeOfInstallations(t);
  const port = await freePort();
  const app = release(t, home, port);
  await app.succeed("up");
  const kernel = pidIn(homeAt(home).kernelLock);
  rmSync(app.package, { recursive: true });
  await killAndSeeAnother(port);
  await kill(kernel);
  await nextDaemon(homeAt(home).kernelLock, kernel);
  await killAndSeeAnother(port);
});

test("the copy is private, whole and small", async (t) => {
  const home = homeOfInstallations(t);
  const app = release(t, home, await freePort());
  await app.succeed("up");
  const { runtimeDirectory } = homeAt(home);
  const current = readlinkSync(join(runtimeDirectory, "current"));
  assert.match(current, /^1\.0\.0-[0-9a-f]{12}$/);
  assert.deepEqual(readdirSync(runtimeDirectory).sort(), [current, "current"].sort());
  const files = readdirSync(join(runtimeDirectory, current), {
    recursive: true,
    withFileTypes: true,
  });
  const sizes = files.map((entry) => {
    const { mode, size } = statSync(join(entry.parentPath, entry.name));
    assert.equal(mode & 0o077, 0, `${entry.name} is closed to other users`);
    return entry.isFile() ? size : 0;
  });
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(total < 3_000_000, `${total} bytes`);
});

test("`newel upgrade` moves both daemons to its version, and no service restarts", async (t) => {
  const home = homeOfInstallations(t);
  const port = await freePort();
  const [old, latest] = [release(t, home, port, "1.0.0"), release(t, home, port, "1.1.0")];
  await old.succeed("up");
  const before = await old.daemons();
  const web = await answeringPid(port);

  const noted = await latest.succeed("ps");
  assert.match(noted.stderr, /daemons are newel 1\.0\.0, this newel is 1\.1\.0: `newel upgrade`/);
  assert.equal(noted.stderr.match(/newel upgrade/g)?.length, 1, "said once");

  const upgraded = await latest.succeed("upgrade");
  assert.match(
    upgraded.stdout,
    /^kernel 1\.0\.0 → 1\.1\.0 \(pid \d+\)\nsupervisor 1\.0\.0 → 1\.1\.0/,
  );
  const after = await latest.daemons();
  assert.deepEqual(after, {
    ...after,
    kernel: { ...before.kernel, version: "1.1.0" },
    supervisor: { ...before.supervisor, version: "1.1.0" },
  });
  assert.equal(await answeringPid(port), web, "the service runs on");
  assert.doesNotMatch((await latest.succeed("ps")).stderr, /upgrade/);

  await latest.succeed("up");
  old.remove();
  await killAndSeeAnother(port);
  const { supervisorLock, kernelLock } = homeAt(home);
  await Promise.all([kill(pidIn(supervisorLock)), kill(pidIn(kernelLock))]);
  await latest.succeed("reload");
  const restarted = await latest.daemons();
  assert.deepEqual([restarted.kernel?.version, restarted.supervisor?.version], ["1.1.0", "1.1.0"]);
});

test("a copy that a service's preload is in stays until that service has ended", async (t) => {
  const home = homeOfInstallations(t);
  const port = await freePort();
  const old = release(t, home, port, "1.0.0");
  const latest = release(t, home, port, "1.1.0");
  await old.succeed("up");
  const { runtimeDirectory } = homeAt(home);
  const copies = (): string[] =>
    readdirSync(runtimeDirectory)
      .flatMap((name) => /^\d+\.\d+\.\d+/.exec(name)?.[0] ?? [])
      .sort();
  assert.deepEqual(copies(), ["1.0.0"]);
  await latest.succeed("upgrade");
  assert.deepEqual(copies(), ["1.0.0", "1.1.0"], "the preload of the running service");
  await latest.succeed("up");
  await latest.succeed("reload");
  await latest.succeed("upgrade");
  assert.deepEqual(copies(), ["1.1.0"]);
  assert.equal((await latest.succeed("ps", "web")).code, 0);
});

test("daemons of another protocol are named, and `newel upgrade` moves them all the same", async (t) => {
  const home = homeOfInstallations(t);
  const port = await freePort();
  const [old, latest] = [release(t, home, port, "1.0.0"), release(t, home, port, "1.1.0")];
  const built = readdirSync(join(old.package, "dist"), { recursive: true, encoding: "utf8" });
  let changed = 0;
  for (const name of built.filter((each) => each.endsWith(".js"))) {
    const file = join(old.package, "dist", name);
    const text = readFileSync(file, "utf8");
    const other = text.replace(/(name:\s*"newel\.supervisor",\s*version:\s*)1\b/, "$18");
    if (other !== text) changed += 1;
    writeFileSync(file, other);
  }
  assert.ok(changed >= 2, "of the command and of the daemons");
  await old.succeed("up");
  const web = await answeringPid(port);
  const refused = await latest.newel("ps");
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, /`newel upgrade`.*\(NEWEL_E_VERSION_SKEW\)\n$/s);
  await latest.succeed("upgrade");
  const { kernel, supervisor } = await latest.daemons();
  assert.deepEqual([kernel?.version, supervisor?.version], ["1.1.0", "1.1.0"]);
  assert.equal(await answeringPid(port), web, "the service runs on");
});

test("a service manager starts the daemons by the home's own link, after any upgrade or removal", async (t) => {
  const home = homeOfInstallations(t);
  const port = await freePort();
  const [old, latest] = [release(t, home, port, "1.0.0"), release(t, home, port, "1.1.0")];
  await old.succeed("up");
  await latest.succeed("upgrade");
  await latest.succeed("up");
  old.remove();
  const { runtimeDirectory, kernelLock, supervisorLock } = homeAt(home);
  for (const [name, lock] of [
    ["kernel", kernelLock],
    ["supervisor", supervisorLock],
  ] as const) {
    const program = join(runtimeDirectory, "current/dist", name, "main.js");
    const unit = startProcess(t, process.execPath, [program, "--wait"], {
      env: { ...process.env, NEWEL_HOME: home },
      stdio: "ignore",
    });
    await kill(pidIn(lock));
    // The other daemon, or a client, may be faster: then this one waits, as its unit does.
    const isServed = (): boolean => isAlive(pidIn(lock));
    await eventually(isServed, `a ${name} after the one that was killed`, 60_000);
    const before = pidIn(lock);
    if (before !== unit.pid) {
      await kill(before);
      await eventually(isServed, `the next ${name}`, 60_000);
    }
  }
  await killAndSeeAnother(port);
  const { kernel, supervisor } = await latest.daemons();
  assert.deepEqual([kernel?.version, supervisor?.version], ["1.1.0", "1.1.0"]);
  const commandLine = readFileSync(`/proc/${pidIn(supervisorLock)}/cmdline`, "utf8");
  assert.match(commandLine, /runtime\/1\.1\.0-/, "the copy is named, so it is not removed");
});

test("an older newel never replaces a newer one, and reports NEWEL_E_OLDER_CALLER", async (t) => {
  const home = homeOfInstallations(t);
  const port = await freePort();
  const [old, latest] = [release(t, home, port, "1.9.0"), release(t, home, port, "1.10.0")];
  await latest.succeed("up");
  const web = await answeringPid(port);
  const versions = async (): Promise<unknown[]> => {
    const { kernel, supervisor } = await latest.daemons();
    return [kernel?.version, supervisor?.version];
  };
  for (const verb of ["up", "upgrade"]) {
    const refused = await old.newel(verb);
    assert.equal(refused.code, 1, verb);
    assert.match(
      refused.stderr,
      /1\.9\.0, older than the daemons of \S+ \(1\.10\.0\).*\(NEWEL_E_OLDER_CALLER\)\n$/s,
    );
  }
  const shown = await old.succeed("ps");
  assert.match(shown.stderr, /1\.9\.0; the daemons are newel 1\.10\.0.*NEWEL_E_OLDER_CALLER/);

  // With nothing running it starts the newer one, too.
  const { supervisorLock, kernelLock } = homeAt(home);
  await Promise.all([kill(pidIn(supervisorLock)), kill(pidIn(kernelLock))]);
  await old.succeed("start", "web", "--app", "releases");
  assert.deepEqual(await versions(), ["1.10.0", "1.10.0"]);
  assert.equal(await answeringPid(port), web);

  await old.succeed("upgrade", "--downgrade");
  assert.deepEqual(await versions(), ["1.9.0", "1.9.0"]);
  assert.equal(await answeringPid(port), web);
});

test("without running daemons, a newer newel starts its own version", async (t) => {
  const home = homeOfInstallations(t);
  const port = await freePort();
  const [old, latest] = [release(t, home, port, "1.0.0"), release(t, home, port, "2.0.0-beta.2")];
  await old.succeed("up");
  const { supervisorLock, kernelLock } = homeAt(home);
  await Promise.all([kill(pidIn(supervisorLock)), kill(pidIn(kernelLock))]);
  await latest.succeed("up");
  const { kernel, supervisor } = await latest.daemons();
  assert.deepEqual([kernel?.version, supervisor?.version], ["2.0.0-beta.2", "2.0.0-beta.2"]);
});

test("a build that cannot start is refused, and everything stays as it was", async (t) => {
  const home = homeOfInstallations(t);
  const port = await freePort();
  const [old, broken] = [release(t, home, port, "1.0.0"), release(t, home, port, "1.1.0")];
  await old.succeed("up");
  const before = await old.daemons();
  for (const daemon of ["kernel", "supervisor"])
    writeFileSync(
      join(broken.package, "dist/runtime", daemon, "main.js"),
      "throw new Error('broken');",
    );
  const manifest = join(broken.package, "dist/build.json");
  writeFileSync(manifest, readFileSync(manifest, "utf8").replace(/"hash": "\w/, '"hash": "f'));
  const refused = await broken.newel("upgrade");
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /broken.*NEWEL_E_UPGRADE_REFUSED/s);
  assert.deepEqual(await old.daemons(), before);
  const { runtimeDirectory } = homeAt(home);
  assert.match(readlinkSync(join(runtimeDirectory, "current")), /^1\.0\.0-/);
  assert.ok(!existsSync(join(runtimeDirectory, "next")));
});

test("a damaged copy, as after a power cut, is replaced", async (t) => {
  const home = homeOfInstallations(t);
  const port = await freePort();
  const app = release(t, home, port);
  await app.succeed("up");
  const { runtimeDirectory, supervisorLock, kernelLock } = homeAt(home);
  await Promise.all([kill(pidIn(supervisorLock)), kill(pidIn(kernelLock))]);
  writeFileSync(join(runtimeDirectory, "current/dist/kernel/main.js"), "");
  await app.succeed("reload");
  await killAndSeeAnother(port);
});

test("many commands at once make one copy", async (t) => {
  const home = homeOfInstallations(t);
  const app = release(t, home, await freePort());
  const ran = await Promise.all(Array.from({ length: 8 }, () => app.newel("kernel", "--detach")));
  assert.deepEqual(new Set(ran.map(({ code }) => code)), new Set([0]));
  const { runtimeDirectory } = homeAt(home);
  assert.equal(readdirSync(runtimeDirectory).length, 2, "the copy and its link");
});

test("a removed Node.js is replaced by the caller's, with a message", async (t) => {
  const home = homeOfInstallations(t);
  const port = await freePort();
  const app = release(t, home, port);
  const node = join(temporaryDirectory(t), "node");
  copyFileSync(process.execPath, node);
  chmodSync(node, 0o755);
  assert.equal((await app.newelWith({ node }, "up")).code, 0);
  const web = await answeringPid(port);
  rmSync(node);

  // Without any command a daemon that dies is started from the file that still runs.
  const { kernelLock } = homeAt(home);
  const kernel = pidIn(kernelLock);
  await kill(kernel);
  await nextDaemon(kernelLock, kernel);
  assert.equal(await answeringPid(port), web);

  const told = await app.newel("start", "web");
  assert.match(
    told.stderr,
    new RegExp(`Node\\.js at ${node} is gone: .* run on ${process.execPath}`),
  );
  const { supervisorLock } = homeAt(home);
  for (const pid of [pidIn(kernelLock), pidIn(supervisorLock)])
    assert.equal(readlinkSync(`/proc/${pid}/exe`), readlinkSync("/proc/self/exe"));
  assert.equal(await answeringPid(port), web, "the service runs on");
  await app.succeed("up");
  await killAndSeeAnother(port);
});

test("a home on a full, read-only or noexec file system is refused with a code", async (t) => {
  const full = smallFileSystem(t, 512 * 1024);
  const readOnly = smallFileSystem(t, 512 * 1024, ["ro"]);
  const noexec = smallFileSystem(t, 16 << 20, ["noexec"]);
  if (full === undefined || readOnly === undefined || noexec === undefined) {
    t.skip("mounting is not allowed here: run as root");
    return;
  }
  for (const [home, code] of [
    [full, "NEWEL_E_RUNTIME_COPY"],
    [readOnly, "NEWEL_E_HOME_ACCESS"],
    [noexec, "NEWEL_E_RUNTIME_NOEXEC"],
  ] as const) {
    const app = release(t, homeOfInstallations(t, home), await freePort());
    const { code: exitCode, stderr } = await app.newel("up");
    assert.equal(exitCode, 5);
    assert.match(stderr, new RegExp(`\\(${code}\\)\\n$`));
    if (home === readOnly) continue;
    const left: string[] = readdirSync(homeAt(home).runtimeDirectory).filter((name) =>
      name.startsWith("."),
    );
    assert.deepEqual(left, [], "nothing half done is left");
  }
});

test("under a file size limit the daemons run from the installation, without a copy", async (t) => {
  const app = release(t, homeOfInstallations(t), await freePort());
  const node = join(app.directory, "limited-node");
  writeFileSync(node, `#!/bin/bash\nulimit -f 1000\nexec ${process.execPath} "$@"\n`);
  chmodSync(node, 0o755);
  const up = await app.newelWith({ node }, "up");
  assert.equal(up.code, 0, up.stderr);
  const { kernel } = await app.daemons();
  const line = readFileSync(`/proc/${kernel?.pid}/cmdline`, "latin1");
  assert.ok(line.includes(app.package), line);
});
