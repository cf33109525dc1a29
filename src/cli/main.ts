#!/usr/bin/env node
// Checks the Node.js it got before anything newer is loaded: this file and the code table have to
// parse on Node.js 12, so that an old one ends with a sentence instead of a syntax error.
const OLDEST_MAJOR = 24;

function tooOld(): Promise<void> {
  return import("../base/error-codes.ts").then(({ ERROR_CODES }) => {
    const { text, fix } = ERROR_CODES.NEWEL_E_NODE_TOO_OLD;
    console.error(text.replace("{version}", process.version));
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

void (parseInt(process.versions.node, 10) < OLDEST_MAJOR ? tooOld() : start());
