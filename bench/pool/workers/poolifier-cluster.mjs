import { ClusterWorker } from "poolifier";

import { work } from "./work.mjs";

export default new ClusterWorker(async (task) => work(task));
