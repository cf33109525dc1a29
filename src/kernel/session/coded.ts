import {
  isNewelError,
  messageOf,
  newelError,
  systemCode,
  type NewelError,
} from "../../base/errors.ts";
import { openFilesLimit } from "../../base/open-files.ts";

/**
 * The coded error that a client gets for anything that was thrown. A refusal of the operating system has its
 * own code; any other error is a fault of newel, and `fault` is called with it.
 */
export function toCoded(error: unknown, fault: (error: unknown) => void): NewelError {
  if (isNewelError(error)) {
    const { errno: known, call } = error.data;
    return outOfDescriptors(String(known), String(call), error) ?? error;
  }
  const errno = systemCode(error);
  if (errno === undefined || !(error instanceof Error) || !("syscall" in error)) {
    fault(error);
    return newelError("NEWEL_E_INTERNAL", { what: messageOf(error) }, error);
  }
  const call = String(error.syscall);
  const without = outOfDescriptors(errno, call, error);
  if (without !== undefined) return without;
  const why = error.message.replace(/^\w+: /, "");
  return newelError("NEWEL_E_SYSCALL", { call, errno, why, about: "" }, error);
}

/** The process or the machine has reached its limit of open files. */
function outOfDescriptors(errno: string, call: string, cause: unknown): NewelError | undefined {
  if (errno !== "EMFILE" && errno !== "ENFILE") return undefined;
  const own = openFilesLimit();
  const limit =
    errno === "ENFILE"
      ? "that of the machine (fs.file-max)"
      : own === undefined
        ? "unknown, because it cannot be read now"
        : `${own} open files`;
  return newelError("NEWEL_E_DESCRIPTORS", { pid: process.pid, call, errno, limit }, cause);
}
