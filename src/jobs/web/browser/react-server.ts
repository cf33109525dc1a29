import type { JobView } from "./view.ts";

export type { JobState, JobView } from "./view.ts";

/**
 * `useJob` in Node.js, where a page is rendered and no run is followed. It does not import React, because a framework
 * that
 * renders with its own React, such as Next.js, would get another copy here.
 */
export function useJob(_url: string | undefined, _run?: string): JobView | undefined {
  return undefined;
}
