import { useEffect, useState } from "react";

import { follow, type JobView } from "./element.ts";

export type { JobView } from "./element.ts";

/**
 * How far a run is, for React: renders again with each event, until the end of the run.
 *
 * @param url - of `jobs.sse`; `undefined` follows nothing
 * @returns `undefined` until the state is known, as on the server
 */
export function useJob(url: string | undefined): JobView | undefined {
  const [known, setKnown] = useState<{ url: string; view: JobView }>();
  useEffect(
    () => (url === undefined ? undefined : follow(url, (view) => setKnown({ url, view }))),
    [url],
  );
  // What is known of another run is not shown for this one.
  return known?.url === url ? known?.view : undefined;
}
