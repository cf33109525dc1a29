import { newelError } from "../base/errors.ts";

const ROOT = 0;

/** Whether a process of this uid may be the other end of a connection without a secret: the same user or root. */
export function isTrusted(uid: number): boolean {
  return uid === ROOT || uid === process.getuid?.();
}

/** @throws NEWEL_E_REFUSED_UID */
export function checkTrusted(uid: number): void {
  if (!isTrusted(uid)) throw newelError("NEWEL_E_REFUSED_UID", { uid });
}
