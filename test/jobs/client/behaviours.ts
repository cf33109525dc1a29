import { tryHandingOver } from "./handing-over.ts";
import { tryManaging } from "./managing.ts";
import type { Store } from "./world.ts";

/** What the calling side does, on whatever store. */
export function tryJobs(store: Store): void {
  tryHandingOver(store);
  tryManaging(store);
}
