import { Source } from "./source.ts";
import type { JobView } from "./view.ts";

/** The sources by URL: bars of one URL share a connection. */
const sources = new Map<string, Source[]>();

/**
 * Follows a run until its end, over outages, deploys, sleep and tab switches. A page uses at most two streams
 * and all tabs of a site together three; runs beyond that are polled every two seconds.
 *
 * @param url - the URL of `jobs.sse`; with `run` that of `jobs.sseRuns`, where one stream serves all runs of the page
 * @param onChange - called with the whole view at each change
 * @param run - the id of the run
 * @returns a function that stops following
 */
export function follow(url: string, onChange: (view: JobView) => void, run = ""): () => void {
  const key = `${run === "" ? "one" : "many"} ${url}`;
  const all = sources.get(key) ?? [];
  let source = all.find((each) => each.hasRoomFor(run));
  if (source === undefined) all.push((source = new Source(url)));
  sources.set(key, all);
  return source.follow(run, onChange);
}
