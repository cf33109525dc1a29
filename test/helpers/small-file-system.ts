import { spawnSync } from "node:child_process";

import { cleanUp, type Scope, temporaryDirectory } from "./resources.ts";

/**
 * A directory on a separate small file system that fills up quickly; unmounted after the test.
 *
 * @param others - more options of mount(8)
 * @returns `undefined` where mounting is not allowed
 */
export function smallFileSystem(
  scope: Scope,
  sizeBytes: number,
  others: readonly string[] = [],
): string | undefined {
  const directory = temporaryDirectory(scope);
  const options = [`size=${sizeBytes}`, "mode=700", ...others].join(",");
  if (run("mount", ["-t", "tmpfs", "-o", options, "tmpfs", directory]) !== 0) return undefined;
  // Lazily, so that the machine is left without the mount even after another failure.
  cleanUp(scope, () => void run("umount", ["--lazy", directory]));
  return directory;
}

function run(command: string, args: readonly string[]): number | null {
  return spawnSync(command, args, { stdio: "ignore" }).status;
}
