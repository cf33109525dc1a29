import { work } from "./work.mjs";

export default (task) => work(task);
