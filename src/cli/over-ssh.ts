import { spawn } from "node:child_process";

import { newelError } from "../base/errors.ts";
import { packSource, type Source } from "../deploy/source.ts";
import { usageError } from "./arguments.ts";
import type { Context } from "./command.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";

/** The exit code of ssh when the connection failed. */
const SSH_FAILED = 255;

/** A machine that is reached by ssh. */
export interface RemoteHost {
  /** `user@server`, or a name of ~/.ssh/config. */
  readonly host: string;
  /** The ssh command with its options, a text for /bin/sh. */
  readonly ssh: string;
  /** The newel command there, a text for the shell of the user there. */
  readonly newel: string;
}

/**
 * Runs `newel deploy` on another machine, with the source as a tar stream on its stdin.
 *
 * @param words - the arguments of `newel deploy` there; each is quoted
 * @returns the exit code of that command
 * @throws NEWEL_E_DEPLOY_SSH when the connection failed
 */
export async function deployOverSsh(
  { host, ssh, newel }: RemoteHost,
  words: readonly string[],
  source: Source | undefined,
  { output }: Context,
): Promise<ExitCode> {
  if (host === "" || host.startsWith("-")) throw usageError(`--host ${host} is no host.`);
  const line = [newel, "deploy", ...words.map(quoted)].join(" ");
  const stdio = [source === undefined ? "ignore" : "pipe", "inherit", "inherit"] as const;
  // The keys of the terminal reach ssh too: its end is waited for.
  const interrupted = (): void =>
    output.say(`A deploy whose files have arrived continues on ${host}: --attach follows it.`);
  process.on("SIGINT", interrupted);
  try {
    const child = spawn("/bin/sh", ["-c", `exec ${ssh} "$@"`, "ssh", "--", host, line], {
      stdio: [...stdio],
    });
    const packed = source === undefined ? undefined : packSource(source);
    // When ssh ends first, its exit code says why.
    child.stdin?.on("error", () => undefined);
    if (child.stdin !== null) packed?.stream.pipe(child.stdin);
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject).once("close", resolve);
    });
    // Without a reader the program that packs would wait for good.
    packed?.stream.destroy();
    const failure = await packed?.failure();
    if (code === SSH_FAILED || (code === 0 && failure !== undefined && failure !== ""))
      throw newelError("NEWEL_E_DEPLOY_SSH", {
        host,
        why: code === SSH_FAILED ? "ssh ended with 255" : (failure ?? ""),
      });
    return code === 0 ? EXIT.done : EXIT.failed;
  } finally {
    process.off("SIGINT", interrupted);
  }
}

/** A word for a POSIX shell, which takes nothing in it for its own. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
