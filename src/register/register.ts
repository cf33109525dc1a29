/**
 * The preload of processes that newel runs: `node --import newel/register app.ts`. It gives the
 * app's own `listen()` the inherited socket, says READY, drains on the stop signal and makes the
 * output whole. Without the variables of src/base/preload.ts, in a worker thread and in the app's
 * own child processes it does nothing.
 */
import { isMainThread } from "node:worker_threads";

import { takeSettings } from "./settings.ts";

const settings = isMainThread ? takeSettings(process.env) : undefined;
// Loaded only here, so that the app's forked children and threads, which inherit `--import`, do
// not pay for what they do not use.
if (settings !== undefined) (await import("./start.ts")).start(settings);
