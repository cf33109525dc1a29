import { hasCode, isNewelError } from "../../base/errors.ts";

/** At most one warning per this many milliseconds, regardless of the number of refused clients. */
const QUIET_MS = 60_000;

/** Reports refused clients of an owner: wrong secrets, and processes of other users. */
export class Refusals {
  readonly #id: string;
  #reportedMs = -QUIET_MS;
  #unreported = 0;

  constructor(id: string) {
    this.#id = id;
  }

  report(error: Error, peer: string): void {
    const isRefusal = hasCode(error, "NEWEL_E_SECRET") || hasCode(error, "NEWEL_E_REFUSED_UID");
    if (!isRefusal || !isNewelError(error)) return;
    this.#unreported += 1;
    if (performance.now() - this.#reportedMs < QUIET_MS) return;
    const more = this.#unreported > 1 ? ` (${this.#unreported} since the last warning)` : "";
    this.#reportedMs = performance.now();
    this.#unreported = 0;
    const text = `The singleton ${this.#id} refused ${peer}${more}: ${error.message}`;
    process.emitWarning(text, { type: "NewelWarning", code: error.code });
  }
}
