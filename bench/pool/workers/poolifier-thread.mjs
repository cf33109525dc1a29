import { ThreadWorker } from "poolifier";

import { work } from "./work.mjs";

// Only functions declared async are awaited.
export default new ThreadWorker(async (task) => work(task));
