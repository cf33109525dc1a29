import { move } from "piscina";

import { work } from "./work.mjs";

export default (task) => (task.move === true ? move(work(task)) : work(task));
