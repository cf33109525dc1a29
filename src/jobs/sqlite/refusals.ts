/** The names that an error message contains. */
export interface ErrorContext {
  readonly jobId?: string | undefined;
  readonly parentKey?: string | undefined;
  readonly state?: string | undefined;
}

/** A result that is no error code. */
export function accepted(code: number, command: string, context: ErrorContext): number {
  return code < 0 ? refuse(code, command, context) : code;
}

/**
 * The texts of BullMQ for its codes: a caller sees the same message on each kind of store. They are written here, so
 * that the store runs without BullMQ; a test compares them.
 */
const TEXTS: Readonly<Record<number, (context: ErrorContext, command: string) => string>> = {
  [-1]: ({ jobId }, command) => `Missing key for job ${jobId}. ${command}`,
  [-2]: ({ jobId }, command) => `Missing lock for job ${jobId}. ${command}`,
  [-3]: ({ jobId, state }, command) => `Job ${jobId} is not in the ${state} state. ${command}`,
  [-4]: ({ jobId }, command) => `Job ${jobId} has pending dependencies. ${command}`,
  [-5]: ({ parentKey }, command) => `Missing key for parent job ${parentKey}. ${command}`,
  [-6]: ({ jobId, state }, command) =>
    `Lock mismatch for job ${jobId}. Cmd ${command} from ${state}`,
  [-7]: ({ parentKey }, command) => `The parent job ${parentKey} cannot be replaced. ${command}`,
  [-8]: ({ jobId }, command) =>
    `Job ${jobId} belongs to a job scheduler and cannot be removed directly. ${command}`,
  [-9]: ({ jobId }, command) =>
    `Cannot complete job ${jobId} because it has at least one failed child. ${command}`,
  [-10]: (_, command) =>
    `Cannot create job scheduler iteration - job ID already exists. ${command}`,
  [-11]: (_, command) =>
    `Cannot create job scheduler iteration - current and next time slots already have jobs. ${command}`,
};

const HAS_FAILED_CHILDREN = -9;

/** Throws the error that BullMQ has for a code, with BullMQ's own message. */
export function refuse(code: number, command: string, context: ErrorContext): never {
  const text = TEXTS[code];
  const error = new Error(
    text === undefined
      ? `Unknown code ${code} error for ${context.jobId}. ${command}`
      : text(context, command),
  );
  // BullMQ recognises such an error by its name: the job is not tried again.
  if (code === HAS_FAILED_CHILDREN) error.name = "UnrecoverableError";
  throw Object.assign(error, { code });
}
