// The program of a worker thread.
import { parentPort } from "node:worker_threads";

import { threadTransport } from "../thread-transport.ts";
import { startRunner } from "./runner.ts";

if (parentPort !== null)
  startRunner(threadTransport(parentPort), {
    canClone: true,
    prepare: () => undefined,
    exit: (code) => process.exit(code),
  });
