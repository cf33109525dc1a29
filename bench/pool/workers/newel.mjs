import { defineWorker } from "../../../dist/pool/worker/index.js";
import { work } from "./work.mjs";

export default defineWorker({
  task: (task, ctx) => {
    const result = work(task);
    return task.move === true ? ctx.transfer(result, [result.buffer]) : result;
  },
});
