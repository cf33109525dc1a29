import assert from "node:assert/strict";
import { mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { pathProblem } from "../../src/base/path-problem.ts";
import { projectDirectory } from "../../src/base/project.ts";
import { temporaryDirectory } from "../helpers/resources.ts";

test("the reason why a file cannot be written names the part of its path that prevents it", (scope) => {
  const directory = temporaryDirectory(scope);
  writeFileSync(join(directory, "file"), "");
  const problemOf = (...parts: string[]): string => {
    const path = join(directory, ...parts);
    try {
      openSync(path, "a");
    } catch (error) {
      return pathProblem(path, error);
    }
    throw new Error(`${path} was opened`);
  };
  assert.equal(
    problemOf("run", "app", "a.pid"),
    `the directory ${join(directory, "run")} is missing`,
  );
  assert.equal(problemOf("run", "a.pid"), `the directory ${join(directory, "run")} is missing`);
  assert.equal(problemOf("file", "a", "a.pid"), `${join(directory, "file")} is not a directory`);
  assert.equal(problemOf("file", "a.pid"), `${join(directory, "file")} is not a directory`);
  assert.equal(problemOf("."), "it is a directory");
});

test("missing rights, read-only and full file systems are named, and an unknown error keeps its message", (scope) => {
  const directory = temporaryDirectory(scope);
  const file = join(directory, "file");
  writeFileSync(file, "");
  const of = (code: string, path: string): string =>
    pathProblem(path, Object.assign(new Error("as the system says"), { code }));
  assert.equal(of("EACCES", file), "this user may not read and write it");
  const inside = `this user may not write to the directory ${directory}`;
  assert.equal(of("EPERM", join(directory, "none")), inside);
  assert.equal(of("ENOENT", join(directory, "none")), "it is missing");
  assert.equal(of("EROFS", file), "its file system is read-only");
  assert.equal(of("EDQUOT", file), "its file system is full");
  assert.equal(of("EIO", file), "as the system says");
});

test("a project is the directory of its configuration, else of its package.json, else the given directory", (scope) => {
  const top = temporaryDirectory(scope);
  const inner = join(top, "packages/web/src");
  mkdirSync(inner, { recursive: true });
  assert.equal(projectDirectory(inner), inner);
  writeFileSync(join(top, "package.json"), "{}");
  assert.equal(projectDirectory(inner), top);
  writeFileSync(join(top, "packages/web/package.json"), "{}");
  assert.equal(projectDirectory(inner), join(top, "packages/web"));
  writeFileSync(join(top, "newel.config.mjs"), "");
  assert.equal(projectDirectory(inner), top);
  assert.equal(projectDirectory(`${top}/`), top);
});
