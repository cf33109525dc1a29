import { ERROR_CODES, type ErrorCode } from "./error-codes.ts";

type ParametersIn<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParametersIn<Rest>
  : never;

/** The parameters in the text and the fix of a code. */
export type ErrorParameters<Code extends ErrorCode> = {
  readonly [
    Name in
      | ParametersIn<(typeof ERROR_CODES)[Code]["text"]>
      | ParametersIn<(typeof ERROR_CODES)[Code]["fix"]>
  ]: string | number;
};

/**
 * An error of newel: `code` is stable and documented (docs/errors.md), `message` says why the operation failed,
 * `fix` says how to correct it. Test a value with {@link isNewelError}, which also accepts errors of another
 * copy of this module; `instanceof` does not.
 */
export class NewelError extends Error {
  /** The name of the class, in a bundle too. */
  override readonly name = "NewelError";
  /** The code, as in docs/errors.md. */
  readonly code: ErrorCode;
  /** The advice of the code table: how to correct it. */
  readonly fix: string;
  /** The parameters of the text, for programs. */
  readonly data: Readonly<Record<string, string | number>>;

  constructor(
    code: ErrorCode,
    message: string,
    fix: string,
    data: Readonly<Record<string, string | number>>,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.fix = fix;
    this.data = data;
  }

  /** The form that programs print or send: code, message, fix and data. */
  toJSON(): {
    code: ErrorCode;
    message: string;
    fix: string;
    data: Readonly<Record<string, string | number>>;
  } {
    return { code: this.code, message: this.message, fix: this.fix, data: this.data };
  }
}

/**
 * Makes the error of a code, its text filled from `parameters`.
 *
 * @param code - a row of the code table
 * @param parameters - a value for each `{name}` in the row's text and fix
 * @param cause - the underlying error, if there is one
 */
export function newelError<Code extends ErrorCode>(
  code: Code,
  parameters: ErrorParameters<Code>,
  cause?: unknown,
): NewelError {
  const data: Readonly<Record<string, string | number>> = parameters;
  const row = ERROR_CODES[code];
  return new NewelError(code, fill(row.text, data), fill(row.fix, data), data, cause);
}

function fill(text: string, data: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (hole, name: string) => String(data[name] ?? hole));
}

/** Whether a value is an error of newel. Errors of another copy of this module count too. */
export function isNewelError(value: unknown): value is NewelError {
  try {
    return (
      value instanceof Error && value.name === "NewelError" && "code" in value && "fix" in value
    );
  } catch {
    // A getter or a Proxy of a program's error threw.
    return false;
  }
}

/** Whether a value is an error of newel with this code. */
export function hasCode(value: unknown, code: ErrorCode): boolean {
  return isNewelError(value) && value.code === code;
}

/** Rebuilds an error that was received over a socket; an unknown code becomes NEWEL_E_REMOTE. */
export function revive(value: {
  code?: unknown;
  message?: unknown;
  fix?: unknown;
  data?: unknown;
}): NewelError {
  const message = typeof value.message === "string" ? value.message : "no message";
  if (typeof value.code === "string" && Object.hasOwn(ERROR_CODES, value.code)) {
    const code = value.code as ErrorCode;
    const fix = typeof value.fix === "string" ? value.fix : ERROR_CODES[code].fix;
    return new NewelError(code, message, fix, plainData(value.data));
  }
  return newelError("NEWEL_E_REMOTE", { message });
}

function plainData(value: unknown): Record<string, string | number> {
  const data: Record<string, string | number> = {};
  if (typeof value !== "object" || value === null) return data;
  for (const [key, entry] of Object.entries(value)) {
    if (typeof entry === "string" || typeof entry === "number") data[key] = entry;
  }
  return data;
}

/** The message of any thrown value, including an error whose getters fail. */
export function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return "an error whose message cannot be read";
  }
}

/** The `code` of a Node.js system error (`ENOENT`, `ECONNREFUSED`, …), if it has one. */
export function systemCode(error: unknown): string | undefined {
  try {
    return error instanceof Error && "code" in error && typeof error.code === "string"
      ? error.code
      : undefined;
  } catch {
    return undefined;
  }
}
