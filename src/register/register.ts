/**
 * The preload of the Node.js processes of a service, loaded through NODE_OPTIONS as one CommonJS file
 * (scripts/preload.mjs): by `--require`, because `--import` would make Node.js load the entry of the app as
 * an ES module, past the app's require hooks. It gives the app's `listen()` the inherited socket, writes
 * READY=1, drains on the stop signal and makes stdout and stderr blocking. Without the variables of
 * src/base/preload.ts and in a worker thread it has no effect.
 */
import { isWorkerThread } from "./internals.ts";
import { start } from "./start.ts";
import { takeSettings } from "./settings.ts";

const settings = isWorkerThread() ? undefined : takeSettings(process.env);
if (settings !== undefined) start(settings);
