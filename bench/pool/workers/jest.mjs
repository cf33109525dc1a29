// jest-worker calls exported functions by their names.
import { work } from "./work.mjs";

export const task = (task) => work(task);
