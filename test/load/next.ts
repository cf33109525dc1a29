import { cpSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { Scope } from "../helpers/resources.ts";
import { runProgram } from "./command.ts";

/** The project with the packages of Next.js. Its bundler follows no links out of it, so sites are built in it. */
export const NEXT_PROJECT: string = fileURLToPath(
  new URL("../web-frameworks/next", import.meta.url),
);
/** Read at each start: an error in it fails the start. */
export const NEXT_CONFIG = "next.config.mjs";

/** Why no site can be built. */
export function missingForNext(): string | undefined {
  return existsSync(join(NEXT_PROJECT, "node_modules"))
    ? undefined
    : "needs its packages: npm ci --prefix test/web-frameworks/next";
}

/** Builds the app of a directory in another one, for `next start`. */
export async function buildNext(scope: Scope, source: string, directory: string): Promise<void> {
  cpSync(source, directory, { recursive: true });
  const { bin } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8")) as {
    readonly bin: { readonly next: string };
  };
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", CI: "1" };
  const args = [join(PACKAGE, bin.next), "build"];
  const built = await runProgram(scope, args, { cwd: directory, env });
  if (built.exitCode !== 0) throw new Error(`next build fails: ${built.stdout}${built.stderr}`);
}

const PACKAGE: string = join(NEXT_PROJECT, "node_modules/next");

/** The command line of the app, as its `start` script would have it. */
export function nextStart(port: number): readonly string[] {
  const program = join(NEXT_PROJECT, "node_modules/.bin/next");
  return [program, "start", "-H", "127.0.0.1", "-p", String(port)];
}
