import { isNewelError, messageOf, newelError } from "../../base/errors.ts";
import type { Output } from "./output.ts";

/**
 * An error as a person reads it: what failed and why, what to do, the code to look up. The stack is
 * for developers of newel: NEWEL_DEBUG=1.
 */
export function printError(output: Output, error: unknown, environment: NodeJS.ProcessEnv): void {
  const coded = isNewelError(error)
    ? error
    : newelError("NEWEL_E_INTERNAL", { what: messageOf(error) }, error);
  if (output.json) output.printObject({ error: coded.toJSON() });
  printFailure(output, coded);
  if (environment["NEWEL_DEBUG"] === "1" && error instanceof Error)
    output.say(`${error.stack ?? error.message}${causeOf(error)}`);
}

/** Message, fix and code of something that failed here or in the supervisor. */
export function printFailure(
  output: Output,
  failure: { readonly code: string; readonly message: string; readonly fix: string },
): void {
  output.say(`${output.styleMessage("red", "error:")} ${failure.message}`);
  output.say(`${failure.fix} ${output.styleMessage("dim", `(${failure.code})`)}`);
}

function causeOf(error: Error): string {
  return error.cause instanceof Error
    ? `\ncaused by: ${error.cause.stack ?? error.cause.message}`
    : "";
}
