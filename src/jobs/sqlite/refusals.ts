import { RedisQueueBackend } from "bullmq";

/** What an error message names. */
export interface ErrorContext {
  readonly jobId?: string | undefined;
  readonly parentKey?: string | undefined;
  readonly state?: string | undefined;
}

/** A result that is no error code. */
export function accepted(code: number, command: string, context: ErrorContext): number {
  return code < 0 ? refuse(code, command, context) : code;
}

/** Throws the error that BullMQ has for a code, with BullMQ's own words. */
export function refuse(code: number, command: string, context: ErrorContext): never {
  const given = Object.entries({ ...context, code, command }).filter(
    ([, value]) => value !== undefined,
  );
  throw RedisQueueBackend.prototype.finishedErrors(
    Object.fromEntries(given) as { code: number; command: string },
  );
}
