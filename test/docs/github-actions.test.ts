// The steps of the workflow in docs/guide/github-actions.md run in their order, and then the script of the deployment.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

import { blocksOf } from "./pages.ts";
import { Reader } from "./reader.ts";

const blocks = blocksOf("docs/guide/github-actions.md");

/** The installation is done by a link; the other steps run as they stand there. */
const INSTALLS = "npm ci";

function stepsOf(workflow: string, job: string): string[] {
  const start = workflow.indexOf(`  ${job}:\n`);
  assert.notEqual(start, -1, job);
  const steps = workflow.slice(start).split(/\n {2}(?=\w)/)[0] ?? "";
  return [...steps.matchAll(/^ +(?:- )?run: (.+)$/gm)].map(([, line = ""]) => line);
}

test("the steps of the job pass, and so does the script", async (t) => {
  const reader = await Reader.create(t, [3000]);
  for (const { file, code } of blocks) if (file !== undefined) reader.write(file, code);
  const workflow = blocks.find(({ file }) => file?.endsWith(".yml"))?.code ?? "";
  const steps = stepsOf(workflow, "test");
  assert.ok(steps.length > 6, `only ${steps.length} steps`);
  await reader.run({ place: "the installation", line: "npm install newel" });
  for (const line of steps.filter((each) => each !== INSTALLS))
    await reader.run({ place: "the workflow", line });

  const script = blocks.find(({ file }) => file === "deploy.sh")?.code ?? "";
  assert.ok(workflow.includes("./deploy.sh"));
  const { directory } = reader.world;
  const git = (...args: string[]): void =>
    assert.equal(
      spawnSync("git", args, { cwd: directory, stdio: "ignore" }).status,
      0,
      args.join(" "),
    );
  // A repository that pulls from itself stands for the one on the machine.
  git("init", "--quiet", "--initial-branch", "main");
  git(
    "-c",
    "user.name=t",
    "-c",
    "user.email=t@localhost",
    "commit",
    "-m",
    "first",
    "--allow-empty",
  );
  git("remote", "add", "origin", directory);
  git("fetch", "--quiet", "origin");
  git("branch", "--set-upstream-to", "origin/main");
  reader.write("deploy.sh", script.replace(/^npm ci.*$/m, ""));
  await reader.run({ place: "deploy.sh", line: "sh ./deploy.sh" });
  await reader.run({ place: "the end", line: "npx newel down" });
});
