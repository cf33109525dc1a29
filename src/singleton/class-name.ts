import { newelError } from "../base/errors.ts";

/**
 * Compares the class of an owner with that of this process.
 *
 * @param theirs - `undefined` if it is not known
 * @throws NEWEL_E_SINGLETON_CLASS when they differ
 */
export function checkClass(id: string, theirs: string | undefined, ours: string | undefined): void {
  if (theirs === undefined || ours === undefined || theirs === ours) return;
  throw newelError("NEWEL_E_SINGLETON_CLASS", { name: id, theirs, ours });
}
