import { newelError } from "../../base/errors.ts";

const warned = new Set<string>();

/** Warns once of a queue whose settings are damaged, because it is paused then. */
export function warnOfSettings(path: string, queue: string): void {
  const key = `${path}\0${queue}`;
  if (warned.has(key)) return;
  warned.add(key);
  const { message, code } = newelError("NEWEL_E_STORE_SETTINGS", { path, queue });
  process.emitWarning(message, { code });
}
