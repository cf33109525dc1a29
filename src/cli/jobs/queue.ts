import { newelError } from "../../base/errors.ts";
import { closest } from "../../base/names.ts";
import type { Jobs } from "../../jobs/jobs.ts";
import type { Arguments, Context } from "../command.ts";
import { withJobs } from "./store.ts";

/**
 * Runs `use` with the queue that a command line names.
 *
 * @throws NEWEL_E_JOBS_NO_QUEUE nothing was ever put into such a queue
 */
export function withQueue<Value>(
  args: Arguments,
  context: Context,
  use: (jobs: Jobs, queue: string) => Promise<Value>,
): Promise<Value> {
  const [queue = ""] = args.words;
  return withJobs(args, context, async (jobs) => {
    const names = (await jobs.stats()).map((stats) => stats.queue);
    if (names.includes(queue)) return use(jobs, queue);
    const near = closest(queue, names);
    const hint = near === undefined ? "" : `. Did you mean "${near}"?`;
    throw newelError("NEWEL_E_JOBS_NO_QUEUE", { queue, hint });
  });
}
