import { isNewelError, messageOf, newelError } from "../base/errors.ts";
import type { Progress } from "./api.ts";
import { parseRunName, shownName } from "./process-names.ts";

/** Reports the progress of a verb to its caller. */
export type Report = (progress: Progress) => void;

/**
 * Runs a verb and gives what it reports as a stream that closes with one `end`. The verb runs to its
 * end even if its caller stops reading.
 *
 * @param verb - returns whether it changed anything; an error means that it failed
 */
export function progressOf(verb: (report: Report) => Promise<boolean>): AsyncIterable<Progress> {
  const queue: Progress[] = [];
  let wake: () => void = () => {};
  let failed = false;
  const report: Report = (progress) => {
    if (progress.type === "failed") failed = true;
    queue.push(progress);
    wake();
  };
  verb(report)
    .then((changed) => report({ type: "end", ok: !failed, changed }))
    .catch((error: unknown) => {
      report(failure("", error));
      report({ type: "end", ok: false, changed: true });
    });
  return {
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const next = queue.shift();
        if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
        else yield next;
        if (next?.type === "end") return;
      }
    },
  };
}

/** An error as progress. */
export function failure(
  service: string,
  error: unknown,
  process?: string,
  lines: readonly string[] = [],
): Progress {
  const coded = isNewelError(error)
    ? error
    : newelError("NEWEL_E_OPERATION_FAILED", { what: messageOf(error) }, error);
  return {
    type: "failed",
    service,
    ...(process === undefined ? {} : { process }),
    code: coded.code,
    message: coded.message,
    fix: coded.fix,
    lines,
  };
}

/** The processes of a run that had to be killed. */
export function killedEvent(
  service: string,
  run: string,
  killed: Extract<Progress, { type: "killed" }>["killed"],
): Progress {
  const name = parseRunName(run);
  return { type: "killed", service, process: name === undefined ? run : shownName(name), killed };
}
