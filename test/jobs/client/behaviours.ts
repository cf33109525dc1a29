import { tryHandingOver } from "./handing-over.ts";
import { tryManaging } from "./managing.ts";
import type { Store } from "./world.ts";

/** The behaviour of the calling side, on every store. */
export function tryJobs(store: Store): void {
  tryHandingOver(store);
  tryManaging(store);
}
