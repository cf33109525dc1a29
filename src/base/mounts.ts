import { readFileSync } from "node:fs";

/** The mount points and options as this process sees them; the file is absent without /proc. */
const MOUNTS = "/proc/self/mountinfo";

/** Whether a path (without links) is on a file system that is mounted `noexec`. */
export function isNoexec(path: string): boolean {
  return (
    process.platform === "linux" &&
    mountOptions(readFileSync(MOUNTS, "utf8"), path).includes("noexec")
  );
}

/**
 * The options of the mount that a path is on.
 *
 * @param mounts - the text of /proc/self/mountinfo, proc_pid_mountinfo(5)
 */
export function mountOptions(mounts: string, path: string): readonly string[] {
  let found: { readonly point: string; readonly options: readonly string[] } | undefined;
  for (const line of mounts.split("\n")) {
    const [, , , , escaped, options] = line.split(" ");
    if (escaped === undefined || options === undefined) continue;
    const point = unescape(escaped);
    const within = point === "/" || path === point || path.startsWith(`${point}/`);
    // A later mount on the same point covers the earlier one.
    if (within && (found === undefined || point.length >= found.point.length))
      found = { point, options: options.split(",") };
  }
  return found?.options ?? [];
}

/** Decodes octal escapes: a space is written `\040`. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
