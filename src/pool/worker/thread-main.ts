// The program of a worker thread. The first message contains the port of its connection to the
// pool.
import { parentPort } from "node:worker_threads";

import { threadTransport, type ThreadInit } from "../thread-transport.ts";
import { SharedProgress } from "./progress-writer.ts";
import { startRunner } from "./runner.ts";

parentPort?.once("message", ({ port, progress }: ThreadInit) => {
  startRunner(threadTransport(port), {
    canClone: true,
    progress: new SharedProgress(progress),
    prepare: () => undefined,
    exit: (code) => process.exit(code),
  });
});
