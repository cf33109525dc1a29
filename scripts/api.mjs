// Compares the public types of each subpath with the snapshots in api/.
//
//   node scripts/api.mjs          fails when a snapshot differs, and prints the difference
//   node scripts/api.mjs --write  writes the snapshots (`npm run api`)
//
// The types come from dist/, which is built first when a source is newer.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

import { Surface } from "./api/surface.ts";
import { buildIfOlder } from "./built.ts";

const root = join(import.meta.dirname, "..");
const [mode = "--check"] = process.argv.slice(2);
buildIfOlder(root);
const snapshots = readSnapshots();

if (mode === "--write") write(join(root, "api"));
else if (mode === "--check") check();
else {
  console.error("Usage: node scripts/api.mjs [--write]");
  process.exitCode = 2;
}

function readSnapshots() {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const surface = new Surface();
  const found = new Map();
  for (const [subpath, conditions] of Object.entries(exports)) {
    if (typeof conditions === "string") continue;
    const name = subpath === "." ? "newel" : `newel${subpath.slice(1)}`;
    const text = surface.snapshot(join(root, conditions.types));
    found.set(
      `${name.replaceAll("/", "-")}.d.ts`,
      `// The public types of ${name}. \`npm run api\` writes this file.\n\n${text}\n`,
    );
  }
  return found;
}

function write(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of snapshots) writeFileSync(join(folder, file), text);
}

function check() {
  const folder = mkdtempSync(join(tmpdir(), "newel-api-"));
  try {
    write(join(folder, "api"));
    const { status, stdout, stderr } = spawnSync(
      "diff",
      ["-urN", join(root, "api"), join(folder, "api")],
      { encoding: "utf8" },
    );
    if (status === 0) return;
    console.log(stdout + stderr);
    console.log(
      "The public types changed. If that is intended, run `npm run api` and commit api/.",
    );
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
