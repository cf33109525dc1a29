// The short-lived child that evaluates a configuration: `node evaluator.ts FILE`. It runs the operator's code
// in the caller's directory and environment, so that the code cannot change the state of newel.
import { readFileSync, writeSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { extname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { systemCode } from "../../base/errors.ts";
import { programPath } from "../../base/modules.ts";
import { type Loading, toFailure } from "./failure.ts";
import { toPlain } from "./plain.ts";
import { type Report, REPORT_FD, REPORT_LIMIT_BYTES } from "./report.ts";

const file = process.argv[2] ?? "";
const loading: Loading = { file, loaded: [] };

registerHooks({
  resolve(specifier, context, next) {
    try {
      return next(specifier, context);
    } catch (error) {
      // A newel that is installed globally, or run by npx, is not found from the app's directory.
      if (specifier === "newel")
        return {
          url: pathToFileURL(programPath("index")).href,
          shortCircuit: true,
        };
      loading.missing ??= { specifier, from: pathOf(context.parentURL) };
      throw error;
    }
  },
  load(url, context, next) {
    if (url.startsWith("file:")) loading.loaded.push(fileURLToPath(url));
    return next(url, context);
  },
});

report(await evaluate());
process.exit(0);

async function evaluate(): Promise<Report> {
  try {
    const module: unknown = await import(pathToFileURL(file).href);
    return toReport(module);
  } catch (error) {
    return { type: "failure", ...(await toFailure(error, loading)) };
  }
}

function toReport(module: unknown): Report {
  if (typeof module !== "object" || module === null || !("default" in module)) {
    const message = "has no default export: write export default defineConfig({ … }).";
    return { type: "failure", file, message: `The file ${message}` };
  }
  const script = scriptOf();
  return {
    type: "value",
    ...toPlain(module.default),
    ...(script === undefined ? {} : { script }),
  };
}

/** The source as JavaScript with every line where it was: what locates a problem. */
function scriptOf(): string | undefined {
  try {
    const source = readFileSync(file, "utf8");
    return extname(file).endsWith("ts") ? stripTypeScriptTypes(source) : source;
  } catch {
    // The configuration was read and its value is there: without a script, problems have no line.
    return undefined;
  }
}

function pathOf(url: string | undefined): string | undefined {
  return url?.startsWith("file:") === true ? fileURLToPath(url) : undefined;
}

function report(content: Report): void {
  let rest = Buffer.from(`${JSON.stringify(content)}\n`);
  if (rest.length >= REPORT_LIMIT_BYTES) {
    const message = `The file exports more than ${REPORT_LIMIT_BYTES / 1_048_576} MiB: that is no configuration.`;
    report({ type: "failure", file, message });
    return;
  }
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(REPORT_FD, rest));
  } catch (error) {
    // The parent has read enough or has ended: the report has no reader.
    if (systemCode(error) !== "EPIPE") throw error;
  }
}
