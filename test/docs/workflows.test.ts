/** The workflows and forms of .github: valid, and running the same scripts as `.ci/run`. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { accessSync, constants, globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, test } from "node:test";

import { parse } from "yaml";

import { ROOT } from "./pages.ts";

interface Step {
  readonly uses?: string;
  readonly run?: string;
}
interface Job {
  readonly "runs-on"?: string;
  readonly "timeout-minutes"?: number;
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly unknown[]>> };
  readonly steps?: readonly Step[];
}
interface Workflow {
  readonly name?: string;
  readonly on?: Readonly<Record<string, unknown>>;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly jobs?: Readonly<Record<string, Job>>;
}
interface Form {
  readonly name?: string;
  readonly description?: string;
  readonly body?: readonly Field[];
}
interface Field {
  readonly type?: string;
  readonly id?: string;
  readonly attributes?: { readonly label?: string; readonly value?: string };
}

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
/** Parses YAML strictly: a key that is twice or unknown syntax throws. */
const load = (path: string): unknown => parse(read(path), { strict: true, uniqueKeys: true });
const workflow = (path: string): Workflow => load(path) as Workflow;
const form = (path: string): Form => load(path) as Form;
const find = (pattern: string): string[] => globSync(pattern, { cwd: ROOT }).sort();

const WORKFLOWS = find(".github/workflows/*.yml");
const FORMS = find(".github/ISSUE_TEMPLATE/*.yml").filter(
  (path) => basename(path) !== "config.yml",
);
interface Package {
  readonly scripts: Readonly<Record<string, string>>;
  readonly engines: { readonly node: string };
  readonly devDependencies: { readonly node: string };
}
const { scripts, engines, devDependencies }: Package = JSON.parse(read("package.json"));

/** The reason why a workflow must not run this line, if there is one. */
function problemOf(run: string, ci: string): string | undefined {
  const [, script] = /^npm (?:run )?([\w:.-]+)(?: -- .+)?$/.exec(run) ?? [];
  if (script !== undefined) {
    const isRun = run.startsWith("npm run ") || script === "test";
    return isRun && script in scripts ? undefined : "no npm script";
  }
  const [, path] = /^(\.ci\/[\w-]+)(?: [\w-]+)*$/.exec(run) ?? [];
  if (path === undefined) return "neither an npm script nor a script of .ci";
  return ci.split("\n").some((line) => line.split(" ")[0] === path)
    ? undefined
    : ".ci/run does not call it";
}

for (const path of WORKFLOWS) {
  describe(path, () => {
    const { name, on, permissions, jobs = {} } = workflow(path);

    test("has a name, events, the least permissions and time limits", () => {
      assert.ok(name !== undefined && on !== undefined && Object.keys(jobs).length > 0);
      assert.deepEqual(permissions, { contents: "read" });
      for (const [key, job] of Object.entries(jobs)) {
        assert.ok(job["runs-on"] !== undefined, key);
        assert.ok((job["timeout-minutes"] ?? 0) > 0, key);
        assert.ok((job.steps ?? []).length > 0, key);
      }
    });

    test("each step runs a script that .ci/run calls too, or an npm script", () => {
      for (const [key, { steps = [] }] of Object.entries(jobs)) {
        for (const { run, uses } of steps) {
          if (run === undefined) assert.match(uses ?? "", /^actions\/\w+@v\d+$/, key);
          else assert.equal(problemOf(run, read(".ci/run")), undefined, `${key}: ${run}`);
        }
      }
    });

    test("expressions name keys of the matrix", () => {
      for (const job of Object.values(jobs)) {
        for (const [, key = ""] of JSON.stringify(job).matchAll(/\$\{\{ matrix\.(\w+) \}\}/g)) {
          assert.ok(job.strategy?.matrix[key] !== undefined, key);
        }
      }
    });
  });
}

test("CI tests each supported major of Node.js on x64 and arm64", () => {
  const { jobs } = workflow(".github/workflows/ci.yml");
  const matrix = jobs?.["test"]?.strategy?.matrix;
  assert.deepEqual(matrix?.["runner"], ["ubuntu-24.04", "ubuntu-24.04-arm"]);
  const oldest = Number(/^>=(\d+)/.exec(engines.node)?.[1]);
  const newest = Number(devDependencies.node.split(".")[0]);
  assert.deepEqual(matrix?.["node"], [...new Set([oldest, newest])]);
});

test("lines that are no scripts are found", () => {
  const ci = ".ci/system\nnpm test\n";
  assert.equal(problemOf(".ci/system soak", ci), undefined);
  assert.equal(problemOf("npm run check", ci), undefined);
  for (const run of [".ci/install", "npm run no-such", "npm ci", "curl x | sh", "npm test && ls"]) {
    assert.ok(problemOf(run, ci) !== undefined, run);
  }
});

test("scripts of .ci are executable and have the syntax of bash", () => {
  for (const path of find(".ci/*")) {
    accessSync(join(ROOT, path), constants.X_OK);
    const { status, stderr } = spawnSync("bash", ["-n", join(ROOT, path)], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
  }
});

test("issue forms have the fields that GitHub requires", () => {
  assert.ok(FORMS.length > 0);
  for (const path of FORMS) {
    const { name, description, body = [] } = form(path);
    assert.ok(name !== undefined && description !== undefined, path);
    const fields = body.filter(({ type }) => type !== "markdown");
    assert.ok(fields.length > 0, path);
    for (const { type, id, attributes } of fields) {
      assert.match(type ?? "", /^(?:textarea|input|dropdown|checkboxes)$/, path);
      assert.match(id ?? "", /^[\w-]+$/, path);
      assert.ok(attributes?.label !== undefined, path);
    }
    assert.equal(new Set(fields.map(({ id }) => id)).size, fields.length, path);
  }
});
