import { newelError } from "../base/errors.ts";
import type { Scope } from "./api.ts";

/**
 * Reads the owner of runs: `undefined` means all owners, and only when `by` was not given. A `by` that is
 * given without a value is a bug of the caller, such as a session without a user: treated as
 * "all" it would show one user's runs to another.
 *
 * @throws NEWEL_E_JOB_BY
 */
export function readBy(scope: Scope | undefined): string | undefined {
  if (scope === undefined || !("by" in scope)) return undefined;
  const by: unknown = scope.by;
  if (typeof by === "string" && by !== "" && by.isWellFormed()) return by;
  if (typeof by === "number" && Number.isFinite(by)) return String(by);
  const value = by === "" ? 'an empty text ("")' : describe(by);
  throw newelError("NEWEL_E_JOB_BY", { value });
}

function describe(by: unknown): string {
  if (typeof by === "string") return "a text that is not Unicode";
  return typeof by === "object" && by !== null ? "an object" : String(by);
}
