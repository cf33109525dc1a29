import { messageOf } from "../base/errors.ts";

import { report } from "./report.ts";

/** Runs a part of the set-up; a failure is reported, and the app runs without that part. */
export function attempt(otherwise: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    report(`${messageOf(error)}; ${otherwise}`);
  }
}
