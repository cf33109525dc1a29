import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The path of a file of this package, such as `systemd/newel-kernel.service`. */
export function packageFile(name: string): string {
  return fileURLToPath(new URL(`../../${name}`, import.meta.url));
}

/** The version of this package: the same file serves the sources and the built package. */
export function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(text) as { version: string };
  return version;
}
