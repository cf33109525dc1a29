// A deploy over ssh, against a local sshd of the test: to the user of the test, and to an unprivileged one.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

import { quoted } from "../../src/cli/over-ssh.ts";
import { World } from "../cli/world.ts";
import { NOBODY, nobodysDirectory, readableRepo, withoutRoot } from "../helpers/as-nobody.ts";
import {
  eventually,
  freePort,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../helpers/resources.ts";
import { blocksOf } from "../docs/pages.ts";
import { Repository } from "./repository.ts";

const SSHD = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].find((path) => existsSync(path));
const skip = SSHD === undefined && "needs sshd: apt-get install openssh-server";

/** Starts an sshd on a loopback port that lets the user of the test in with a key; the ssh command for it. */
async function startSshd(scope: Scope): Promise<string> {
  const directory = temporaryDirectory(scope);
  const [hostKey, key] = [join(directory, "host"), join(directory, "key")];
  for (const file of [hostKey, key]) {
    const made = spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
    assert.equal(made.status, 0, String(made.stderr));
  }
  const port = await freePort();
  const config = join(directory, "config");
  writeFileSync(
    config,
    [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${key}.pub`,
      `PidFile ${join(directory, "pid")}`,
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "PermitRootLogin yes",
    ].join("\n"),
  );
  // The directory of sshd for its separation of privileges; without root it is not used.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true });
  startProcess(scope, SSHD ?? "", ["-D", "-e", "-f", config]);
  await eventually(() => answers(port), "sshd listens");
  const { stdout: ssh } = spawnSync("/bin/sh", ["-c", "command -v ssh"], { encoding: "utf8" });
  return `${ssh.trim()} -F none -p ${port} -i ${key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=${join(directory, "known")} -o LogLevel=ERROR`;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    }).once("error", () => resolve(false));
  });
}

test("a word is one argument of a shell, with every character", () => {
  for (const word of ["", "shop", "a b", "it's", "$(touch x)", '`"\\', "-n", "a\nb"]) {
    const { stdout } = spawnSync("/bin/sh", ["-c", `printf %s ${quoted(word)}`], {
      encoding: "utf8",
    });
    assert.equal(stdout, word);
  }
});

test("newel deploy --host deploys over ssh", { skip }, async (t) => {
  // The same home here and there: there is one machine. Its hook comes first: daemons end before directories go.
  const world = new World(t);
  const ssh = await startSshd(t);
  const repository = new Repository(world, await freePort());
  const newel = `env NEWEL_HOME=${quoted(world.home)} ${quoted(process.execPath)} ${quoted(world.main)}`;
  const host = ["--host", "127.0.0.1", "--ssh", ssh, "--remote-newel", newel];
  const spare = temporaryDirectory(t);
  const from = { ...world.environment, NEWEL_HOME: spare };

  await t.test("a commit arrives as a tar stream, and its exit code comes back", async () => {
    repository.commit("v1");
    const planned = await world.newelWith(from, "deploy", "--plan", ...host);
    assert.equal(planned.code, 0, planned.stderr);
    assert.match(planned.stdout, /^Release 1 of shop: git HEAD [0-9a-f]{8}, .* free$/m);
    const ran = await world.newelWith(from, "deploy", ...host);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stderr, /Release 1 of shop is live/);
    assert.equal(await repository.answer(), "v1 built-v1");
    const [release] = repository.records;
    assert.equal(release?.source, "git HEAD");
    assert.equal(release?.commit, repository.git("rev-parse", "HEAD").trim());
  });

  await t.test("a failed deploy fails here too, and an unreachable host is named", async () => {
    repository.commit("broken", { deploy: { test: "exit 3" } });
    const failed = await world.newelWith(from, "deploy", ...host);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /failed at test/);
    assert.equal(await repository.answer(), "v1 built-v1");
    const closed = ssh.replace(/-p \d+/, `-p ${await freePort()}`);
    const unreachable = await world.newelWith(
      from,
      "deploy",
      "--host",
      "127.0.0.1",
      "--ssh",
      closed,
    );
    assert.equal(unreachable.code, 5);
    assert.match(unreachable.stderr, /NEWEL_E_DEPLOY_SSH/);
    const none = await world.newelWith(from, "deploy", "--cancel", "shop", ...host);
    assert.match(none.stderr, /NEWEL_E_DEPLOY_NOT_RUNNING/);
  });

  await t.test("the lines of the guide deploy", async () => {
    const bin = temporaryDirectory(t);
    const program = (name: string, line: string): void =>
      writeFileSync(join(bin, name), `#!/bin/sh\n${line}\n`, { mode: 0o700 });
    program("newel", `exec ${quoted(process.execPath)} ${quoted(world.main)} "$@"`);
    program("npx", 'exec "$@"');
    // The name of the guide stands for this machine; the PATH there is that of the lines.
    program(
      "ssh",
      `[ "$1" = -- ] && shift; shift; exec ${ssh} 127.0.0.1 "PATH=${bin}:$PATH NEWEL_HOME=${world.home} $*"`,
    );
    const guide = blocksOf("docs/guide/deploy.md");
    const lines = guide
      .flatMap(({ code }) => code.split("\n"))
      .filter((line) => /^(git archive|newel deploy --host).*(?:@shop\.example| -)$/.test(line));
    const workflow = guide.find(({ file }) => file?.endsWith("deploy.yml"))?.code ?? "";
    const [, step = ""] = /run: (npx newel deploy.*)$/m.exec(workflow) ?? [];
    assert.match(step, /--host/);
    const tried = [...lines, step];
    assert.equal(tried.length, 2 + 1, tried.join("; "));
    for (const [index, line] of tried.entries()) {
      repository.commit(`guide-${index}`);
      const ran = spawnSync("/bin/sh", ["-c", line], {
        cwd: world.directory,
        env: { ...from, PATH: `${bin}:${process.env["PATH"]}` },
        encoding: "utf8",
      });
      assert.equal(ran.status, 0, `${line}: ${ran.stderr}`);
      assert.equal(await repository.answer(), `guide-${index} built-guide-${index}`);
    }
  });

  await t.test("an unprivileged user is deployed to", { skip: withoutRoot }, async (t) => {
    const ends: (() => void)[] = [];
    t.after(() => ends.forEach((end) => end()));
    const home = nobodysDirectory(t);
    const theirs = new World(t, { home });
    const other = new Repository(theirs, await freePort());
    other.commit("theirs");
    const user = `--reuid=${NOBODY} --regid=${NOBODY} --clear-groups`;
    const main = join(readableRepo(t), "src/cli/main.ts");
    const newel = `cd / && setpriv ${user} env HOME=${home} NEWEL_HOME=${home} ${process.execPath} ${main}`;
    ends.push(() => {
      const { status, stderr } = spawnSync("/bin/sh", ["-c", `${newel} down --all`]);
      assert.equal(status, 0, String(stderr));
    });
    const there = ["--host", "127.0.0.1", "--ssh", ssh, "--remote-newel", newel];
    const ran = await theirs.newelWith(
      { ...theirs.environment, NEWEL_HOME: spare },
      "deploy",
      ...there,
    );
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(await other.answer(), "theirs built-theirs");
    assert.equal(statSync(other.records[0]?.file ?? "").uid, NOBODY);
  });

  await t.test("half a tar stream is refused", async () => {
    const count = repository.records.length;
    const cut = `cd ${world.directory} && git archive HEAD | head -c 2048 | "$@"`;
    const ran = await world.shell(cut, "deploy", "shop", "-");
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /NEWEL_E_DEPLOY_SOURCE/);
    assert.equal(repository.records.length, count);
  });
});
