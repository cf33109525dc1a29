import { useEffect, useState } from "react";

import { follow } from "./follow.ts";
import type { JobView } from "./view.ts";

export type { JobState, JobView } from "./view.ts";

/**
 * Follows the progress of a run in React: renders again with each event, until the end of the run. On a server it
 * returns `undefined`.
 *
 * @param url - the URL of `jobs.sse`, or with `run` that of `jobs.sseRuns`; `undefined` follows no run
 * @param run - the id of the run: all runs of one URL share a stream
 * @returns the view; `undefined` before the first answer. Its `state` and `connection` show refusals and outages
 */
export function useJob(url: string | undefined, run?: string): JobView | undefined {
  const [known, setKnown] = useState<{ url: string; run: string | undefined; view: JobView }>();
  useEffect(
    () =>
      url === undefined ? undefined : follow(url, (view) => setKnown({ url, run, view }), run),
    [url, run],
  );
  // The view of another run is not shown for this one.
  return known?.url === url && known?.run === run ? known?.view : undefined;
}
