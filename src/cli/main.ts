#!/usr/bin/env node
// Checks the Node.js it got before anything newer is loaded: this file and the code table have to
// parse on Node.js 12, so that an old one ends with a sentence instead of a syntax error.

/** The oldest Node.js that newel runs on, as `24.15`: `engines` of package.json is the only place with the number. */
function oldestNode(): Promise<string> {
  return import("fs").then(({ readFileSync }) => {
    const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
    const { engines } = JSON.parse(text) as { readonly engines: { readonly node: string } };
    return engines.node.replace(/^[^0-9]+/, "");
  });
}

function isOlder(version: string, oldest: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldest.split(".").map(Number);
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}

function refuse(oldest: string): Promise<void> {
  return import("../base/error-codes.ts").then(({ ERROR_CODES }) => {
    const { text, fix } = ERROR_CODES.NEWEL_E_NODE_TOO_OLD;
    console.error(text.replace("{oldest}", oldest).replace("{version}", process.version));
    console.error(fix);
    console.error("(NEWEL_E_NODE_TOO_OLD)");
    process.exitCode = 1;
  });
}

function start(): Promise<void> {
  return import("node:module")
    .then(({ enableCompileCache }) => enableCompileCache())
    .then(() => import("./cli.ts"))
    .then(({ runCli }) => runCli(process.argv.slice(2)));
}

void oldestNode().then((oldest) =>
  isOlder(process.versions.node, oldest) ? refuse(oldest) : start(),
);
