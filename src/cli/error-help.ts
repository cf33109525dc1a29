import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

import { ERROR_CODES, type ErrorCode } from "../base/error-codes.ts";
import { newelError } from "../base/errors.ts";
import { closest } from "../base/names.ts";

/** The documentation of an error code. */
export interface ErrorHelp {
  readonly code: string;
  /** The message, with a `{name}` for each value. */
  readonly text: string;
  readonly fix: string;
  /** The page of errors in the package, with the anchor of the code. */
  readonly page: string;
}

/** Whether a word of the command line is meant as an error code. */
export function isErrorWord(word: string): boolean {
  return /^newel_/i.test(word);
}

/** @throws NEWEL_E_USAGE when there is no such code */
export function errorHelp(word: string): ErrorHelp {
  const code = word.toUpperCase();
  if (!isErrorCode(code)) {
    const meant = closest(code, Object.keys(ERROR_CODES));
    const hint = meant === undefined ? "" : ` Did you mean ${meant}?`;
    throw newelError("NEWEL_E_USAGE", { what: `There is no error code ${code}.${hint}` });
  }
  const { text, fix } = ERROR_CODES[code];
  return { code, text, fix, page: `${errorsPage()}#${code.toLowerCase()}` };
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}

/** The page lies above this file, in the sources and in the package. */
function errorsPage(): string {
  for (let directory = import.meta.dirname; ; directory = dirname(directory)) {
    const page = join(directory, "docs", "errors.md");
    if (existsSync(page)) return page;
    if (directory === dirname(directory)) return "docs/errors.md";
  }
}
