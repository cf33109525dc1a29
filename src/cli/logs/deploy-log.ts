import { readFileSync } from "node:fs";

import { newelError, systemCode } from "../../base/errors.ts";
import { findHome } from "../../base/home.ts";
import { layoutOf, logPath } from "../../deploy/layout.ts";
import { readRelease } from "../../deploy/records.ts";
import { deployProcessName } from "../../supervisor/process-names.ts";
import type { Context } from "../command.ts";
import { appOf } from "../deploys.ts";
import { followFile } from "../follow-file.ts";
import { findKernel } from "../reach.ts";

/** The number of the release that `deploy/12` stands for; `undefined` for other words. */
export function deployWord(word: string | undefined): number | undefined {
  const [, number] = /^deploy\/(\d+)$/.exec(word ?? "") ?? [];
  return number === undefined ? undefined : Number(number);
}

/**
 * Prints the output of a deploy.
 *
 * @throws NEWEL_E_DEPLOY_NO_RELEASE
 */
export async function printDeployLog(
  number: number,
  options: { readonly app: string | undefined; readonly lines: number; readonly follow: boolean },
  context: Context,
): Promise<void> {
  const { environment, output } = context;
  const app = await appOf(options.app, context);
  const layout = layoutOf(findHome(environment), app);
  const path = logPath(layout, number);
  const text = readText(path);
  if (text === undefined && readRelease(layout, number) === undefined)
    throw newelError("NEWEL_E_DEPLOY_NO_RELEASE", { app, number });
  const lines = (text ?? "").split("\n");
  const partial = lines.pop() ?? "";
  const last = options.lines === Infinity ? lines : lines.slice(-options.lines);
  for (const line of options.lines === 0 ? [] : last) output.print(line);
  const kernel = options.follow ? await findKernel(context) : undefined;
  try {
    const [found] = (await kernel?.processes.list(deployProcessName(app))) ?? [];
    if (kernel !== undefined && found?.running === true) {
      const from = Buffer.byteLength(text ?? "") - Buffer.byteLength(partial);
      const { signal } = new AbortController();
      const end = Array.fromAsync(kernel.processes.watch(found.name));
      await followFile(path, { from, until: end, signal, print: printLines });
    } else if (partial !== "") output.print(partial);
  } finally {
    await kernel?.close();
  }

  function printLines(more: string): void {
    output.print(more.replace(/\n$/, ""));
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
