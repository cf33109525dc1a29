import { createRequire } from "node:module";

import type * as Api from "@opentelemetry/api";

/** The API package of OpenTelemetry, if the program has it. */
export function loadApi(): typeof Api | undefined {
  try {
    return createRequire(import.meta.url)("@opentelemetry/api") as typeof Api;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND")
      return undefined;
    throw error;
  }
}
