import {
  isNewelError,
  messageOf,
  newelError,
  systemCode,
  type NewelError,
} from "../../base/errors.ts";

/**
 * The coded error a client is told for anything that was thrown. What the operating system refused
 * has its own code; anything else is a fault of ours, which `fault` hears of.
 */
export function toCoded(error: unknown, fault: (error: unknown) => void): NewelError {
  if (isNewelError(error)) return error;
  const errno = systemCode(error);
  if (errno === undefined || !(error instanceof Error) || !("syscall" in error)) {
    fault(error);
    return newelError("NEWEL_E_INTERNAL", { what: messageOf(error) }, error);
  }
  const call = String(error.syscall);
  const why = error.message.replace(/^\w+: /, "");
  return newelError("NEWEL_E_SYSCALL", { call, errno, why, about: "" }, error);
}
