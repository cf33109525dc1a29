import { ERROR_CODES, type ErrorCode } from "./error-codes.ts";

type ParametersIn<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParametersIn<Rest>
  : never;

/** The parameters that the text and the fix of a code name. */
export type ErrorParameters<Code extends ErrorCode> = {
  readonly [
    Name in
      | ParametersIn<(typeof ERROR_CODES)[Code]["text"]>
      | ParametersIn<(typeof ERROR_CODES)[Code]["fix"]>
  ]: string | number;
};

/**
 * The error newel throws: `code` is stable and documented (docs/errors.md), `message` says what
 * failed and why, `fix` says what to do. Recognise one with {@link isNewelError}, which also holds
 * for errors of another copy of this module; `instanceof` would not.
 */
export class NewelError extends Error {
  override readonly name = "NewelError";
  readonly code: ErrorCode;
  readonly fix: string;
  /** What the text was filled with, for programs. */
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

  /** What a program prints or sends: code, message, fix and data. */
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
 * @param cause - the error behind it, if there is one
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

/** Whether a value is an error of newel, of this copy of the module or another. */
export function isNewelError(value: unknown): value is NewelError {
  return value instanceof Error && value.name === "NewelError" && "code" in value && "fix" in value;
}

/** Whether a value is an error of newel with this code. */
export function hasCode(value: unknown, code: ErrorCode): boolean {
  return isNewelError(value) && value.code === code;
}

/** Rebuilds an error that came over a socket; an unknown code becomes NEWEL_E_REMOTE. */
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

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a Node.js system error (`ENOENT`, `ECONNREFUSED`, …), if it has one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
}
