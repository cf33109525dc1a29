import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { Worker } from "bullmq";

import { formatFailure } from "../../src/jobs/failure.ts";
import { job, Jobs, type Run } from "../../src/jobs/index.ts";
import { createSqliteBackend } from "../../src/jobs/sqlite/factory.ts";
import { cleanUp, eventually, temporaryDirectory } from "../helpers/resources.ts";
import { type Ran, runHere } from "./capture.ts";

const mail = job("mail", { queue: "mails", retries: 0 }, () => 1);

interface Place {
  readonly directory: string;
  readonly jobs: Jobs;
  readonly newel: (...argv: string[]) => Promise<Ran>;
  readonly json: <Value>(...argv: string[]) => Promise<Value>;
}

function place(t: TestContext): Place {
  const directory = temporaryDirectory(t);
  const jobs = new Jobs({ store: `sqlite:${join(directory, "data", "jobs.db")}` });
  cleanUp(t, () => jobs.close());
  const newel = (...argv: string[]): Promise<Ran> => runHere(["jobs", ...argv], { cwd: directory });
  return {
    directory,
    jobs,
    newel,
    json: async (...argv) => JSON.parse((await newel(...argv, "--json")).stdout) as never,
  };
}

/** Has the runs of the queue fail. */
async function failAll(t: TestContext, { jobs }: Place, code: string): Promise<void> {
  const fail = (): never => {
    const error = Object.assign(new Error("no mail\u001B[31m today"), { code });
    throw new Error(formatFailure(error));
  };
  const options = { connection: jobs.store } as never;
  const worker = new Worker("mails", fail as never, options, createSqliteBackend as never);
  cleanUp(t, () => worker.close());
  await eventually(async () => (await jobs.list({ active: true })).runs.length === 0, "all failed");
  await worker.close();
}

test("reading creates no file, and the error names the path", async (t) => {
  const { directory, newel } = place(t);
  for (const argv of [["ls"], ["stats"], ["show", "a~b"], ["pause", "mails"], ["cancel", "a~b"]]) {
    const { code, stdout, stderr } = await newel(...argv);
    assert.deepEqual([code, stdout], [5, ""]);
    assert.match(
      stderr,
      /no job store at .*\/data\/jobs\.db \(from the default in .*NEWEL_E_JOBS_NO_STORE/s,
    );
  }
  assert.ok(!existsSync(join(directory, "data")));
  assert.match((await newel("ls", "--store", "sqlite:x.db")).stderr, /x\.db \(from --store\)/);
  assert.equal((await newel("ls", "--store", "ftp://x")).code, 2);
});

test("add enqueues a run, ls lists it, show prints it in detail", async (t) => {
  const { jobs, newel, json } = place(t);
  const added = await newel("add", "mail", '{"to":"ann"}', "--queue", "mails", "--by", "7");
  assert.equal(added.code, 0);
  const id = added.stdout.trim();
  assert.deepEqual((await jobs.get(id))?.input, { to: "ann" });
  const second = await json<Run & { v: number }>(
    "add",
    "mail",
    "[1]",
    "--key",
    "k",
    "--delay",
    "1h",
  );
  assert.equal(second.v, 1);
  assert.equal(second.queue, "mails");
  assert.equal(second.state, "delayed");
  assert.equal((await newel("add", "mail", "--key", "k")).stdout.trim(), second.id);

  const table = await newel("ls");
  const lines = table.stdout.trimEnd().split("\n");
  assert.equal(lines.length, 3);
  assert.match(lines[0] ?? "", /^RUN +STATE +JOB/);
  assert.ok(lines.every((line) => line.length <= 80));
  assert.match(lines[2] ?? "", new RegExp(`^${id} +waiting +mail`));
  const listed = await json<(Run & { v: number })[]>("ls", "--state", "waiting,running");
  assert.deepEqual(
    listed.map((run) => [run.v, run.id]),
    [[1, id]],
  );
  assert.deepEqual(await json("ls", "--by", "8"), []);
  assert.match((await newel("ls", "--limit", "1")).stderr, /There are more/);
  assert.match((await newel("ls", "--name", "other")).stderr, /no such runs/);

  const shown = await newel("show", id);
  assert.match(
    shown.stdout,
    new RegExp(`^mail \\(${id}\\)\n  state +waiting\n  attempt +0 of 3\n`),
  );
  assert.match(shown.stdout, /input +\{ to: 'ann' \}/);
  const document = await json<Run & { logs: string[] }>("show", id);
  assert.deepEqual(document.logs, []);
  const none = await newel("show", "mails~nothing");
  assert.deepEqual([none.code, none.stdout], [4, ""]);
});

test("add - takes its input from stdin", async (t) => {
  const { directory, jobs } = place(t);
  const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const words = ["jobs", "add", "mail", "-", "--store", jobs.store];
  const { stdout, status } = spawnSync(process.execPath, [main, ...words], {
    cwd: directory,
    encoding: "utf8",
    input: '{"from": "stdin"}\n',
  });
  assert.equal(status, 0);
  assert.deepEqual((await jobs.get(stdout.trim()))?.input, { from: "stdin" });
});

test("a command line that cannot be parsed is reported with its reason", async (t) => {
  const { newel, jobs } = place(t);
  await jobs.enqueue(mail, 1);
  const wrong: [string[], RegExp][] = [
    [["add", "mail", "{to:1}"], /no JSON/],
    [["add", "no name", "1"], /NEWEL_E_JOB_OPTION/],
    [["add", "mail", "1", "--delay", "soon"], /delay .* "soon"/],
    [["add", "mail", "1", "--priority", "high"], /priority/],
    [["ls", "--state", "broken"], /"broken".*waiting, delayed, running/s],
    [["ls", "--since", "tuesday-ish"], /--since/],
    [["ls", "--limit", "0"], /--limit 0/],
    [["cancel"], /Which runs\?/],
    [["retry", "a~b", "--all-matching"], /Which runs\?/],
    [["retry", "a~b", "--name", "mail"], /go with --all-matching/],
    [["frobnicate"], /newel jobs ls/],
  ];
  for (const [argv, message] of wrong) {
    const { code, stderr } = await newel(...argv);
    assert.equal(code, 2, argv.join(" "));
    assert.match(stderr, message);
  }
});

test("runs are cancelled and retried, one or all that match", async (t) => {
  const here = place(t);
  const { jobs, newel, json } = here;
  const runs = [
    await jobs.enqueue(mail, 1),
    await jobs.enqueue(mail, 2),
    await jobs.enqueue(mail, 3, { by: "ann" }),
  ];
  await failAll(t, here, "EMAIL");
  const retried = await newel("retry", runs[0]?.id ?? "");
  assert.deepEqual([retried.code, retried.stdout], [0, "1 run retried\n"]);
  const again = await newel("retry", runs[0]?.id ?? "");
  assert.deepEqual([again.code, again.stdout], [1, ""]);
  assert.match(again.stderr, /NEWEL_E_JOB_RETRY/);
  const none = await newel("retry", "--all-matching", "--error", "ELSE");
  assert.equal(none.stdout, "0 runs retried\n");
  const all = await json<{ retried: number; runs: string[] }>(
    "retry",
    "--all-matching",
    "--error",
    "email",
  );
  assert.equal(all.retried, 2);
  const one = await newel("cancel", "--all-matching", "--by", "ann");
  assert.equal(one.stdout, "1 run cancelled\n");
  assert.equal(
    (await newel("cancel", "--all-matching", "--queue", "mails")).stdout,
    "2 runs cancelled\n",
  );
  assert.equal((await newel("cancel", "--all-matching")).stdout, "0 runs cancelled\n");
  assert.equal((await newel("cancel", "mails~nothing")).code, 4);
  const { stdout } = await newel("ls", "--state", "cancelled");
  assert.equal(stdout.trimEnd().split("\n").length, 4);
});

test("an error of a handler moves no cursor", async (t) => {
  const here = place(t);
  const { id } = await here.jobs.enqueue(mail, "\u001B[2J");
  await failAll(t, here, "E");
  for (const argv of [["ls"], ["show", id]] as const) {
    const { stdout } = await here.newel(...argv);
    assert.ok(!stdout.includes("\u001B"), argv[0]);
    assert.match(stdout, /no mail\?\[31m/);
  }
});

test("queues are counted, paused, resumed and drained", async (t) => {
  const { jobs, newel, json } = place(t);
  await jobs.enqueue(mail, 1);
  await jobs.enqueue(mail, 2, { delay: "1h" });
  assert.equal((await newel("pause", "mails")).stdout, "mails is paused\n");
  const table = await newel("stats");
  assert.match(table.stdout, /^QUEUE +WAITING +DELAYED/);
  assert.match(table.stdout, /\nmails +1 +1 +0 .*paused\n$/);
  const [stats] =
    await json<{ v: number; paused: boolean; counts: { waiting: number } }[]>("stats");
  assert.deepEqual([stats?.v, stats?.paused, stats?.counts.waiting], [1, true, 1]);
  assert.deepEqual(await json("resume", "mails"), { v: 1, queue: "mails", paused: false });
  assert.equal((await newel("drain", "mails")).stdout, "1 run removed from mails\n");
  assert.deepEqual(await json("drain", "mails", "--delayed"), { v: 1, queue: "mails", removed: 1 });
  const none = await newel("pause", "mail");
  assert.equal(none.code, 4);
  assert.match(none.stderr, /Did you mean "mails"/);
});

test("the store of the configuration is used in every directory below it", async (t) => {
  const { directory, newel } = place(t);
  writeFileSync(join(directory, "jobs.mjs"), "export {};");
  const config = {
    name: "shop",
    services: {},
    jobs: { modules: "jobs.mjs", store: "sqlite:./of-config.db" },
  };
  writeFileSync(join(directory, "newel.config.json"), JSON.stringify(config));
  const { stderr } = await newel("ls");
  assert.match(stderr, /of-config\.db \(from .*newel\.config\.json\)/);
  assert.equal((await newel("add", "mail", "1")).code, 0);
  assert.ok(existsSync(join(directory, "of-config.db")));
  assert.equal((await newel("ls", "-c", "none.json")).code, 6);
});

test("check prints the version of SQLite that stores the jobs", async (t) => {
  const { directory } = place(t);
  writeFileSync(join(directory, "jobs.mjs"), "export {};");
  const check = async (store: string, ...more: string[]): Promise<string> => {
    const config = { name: "shop", services: {}, jobs: { modules: "jobs.mjs", store } };
    writeFileSync(join(directory, "newel.config.json"), JSON.stringify(config));
    const { code, stdout, stderr } = await runHere(["check", ...more], { cwd: directory });
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const { sqlite = "" } = process.versions as { sqlite?: string };
  assert.match(await check("sqlite:./jobs.db"), new RegExp(`SQLite ${sqlite} of Node\\.js v\\d`));
  const { sqlite: version } = JSON.parse(await check("sqlite:./jobs.db", "--json")) as {
    sqlite?: string;
  };
  assert.equal(version, sqlite);
  assert.doesNotMatch(await check("redis://localhost:6379"), /SQLite/);
});
