import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { newelError } from "../../base/errors.ts";
import { pathProblem } from "../../base/path-problem.ts";

/** The address of a job server and the auth key. */
export interface RemoteAddress {
  readonly host: string;
  readonly port: number;
  readonly authKey: string;
}

/** The auth key as a caller gives it. */
export interface AuthKey {
  readonly authKey?: string;
  /** A file with the auth key in its first line. */
  readonly authKeyFile?: string;
}

/** The host that is used for an empty host. */
export const LOOPBACK = "127.0.0.1";
/** Parsed without `URL`, which rejects a blank host; a blank host means this machine. */
const URL_FORM = /^jobs:\/\/([^/?#@]*@)?(\[[^\]]+\]|[^:/?#@[\]]*)(?::(\d*))?\/?$/;

/**
 * Reads `jobs://HOST:PORT`; the auth key is passed separately, because URLs end up in logs.
 *
 * @param given - default: `$NEWEL_JOBS_AUTHKEY`, or the file that `$NEWEL_JOBS_AUTHKEY_FILE` names
 * @throws NEWEL_E_JOBS_SETTING naming the host, port or auth key that is missing
 */
export function readRemoteUrl(url: string, given: AuthKey = {}): RemoteAddress {
  const parts = URL_FORM.exec(url);
  if (parts === null) throw setting("store", `is "${url}"`, '"jobs://HOST:PORT"');
  const [, user, host = "", port = ""] = parts;
  if (user !== undefined)
    throw setting(
      "store",
      "has a user or a password in its URL",
      "the auth key as a separate setting",
    );
  if (port === "" || Number(port) < 1 || Number(port) > 65_535)
    throw setting("port", "is missing in the store's URL, or is none", '"jobs://HOST:PORT"');
  const name = host.replace(/^\[(.*)\]$/, "$1");
  return { host: name === "" ? LOOPBACK : name, port: Number(port), authKey: readAuthKey(given) };
}

/**
 * Reads the auth key, which both sides share.
 *
 * @throws NEWEL_E_JOBS_SETTING
 */
export function readAuthKey({
  authKey = process.env["NEWEL_JOBS_AUTHKEY"],
  authKeyFile = process.env["NEWEL_JOBS_AUTHKEY_FILE"],
}: AuthKey): string {
  if (authKey !== undefined && authKey !== "") return authKey;
  if (authKeyFile === undefined || authKeyFile === "")
    throw setting(
      "auth key",
      "is missing",
      "`authKeyFile` (--authkey-file), $NEWEL_JOBS_AUTHKEY_FILE or $NEWEL_JOBS_AUTHKEY",
    );
  let text: string;
  try {
    text = readFileSync(authKeyFile, "utf8");
  } catch (error) {
    const why = `cannot be read from ${authKeyFile}: ${pathProblem(resolve(authKeyFile), error)}`;
    throw setting("auth key", why, "a file that this user can read", error);
  }
  const [line = ""] = text.split("\n", 1);
  if (line.trim() === "")
    throw setting(
      "auth key",
      `is not in ${authKeyFile}`,
      "a file whose first line is the auth key",
    );
  return line.trim();
}

function setting(name: string, why: string, write: string, cause?: unknown): Error {
  return newelError("NEWEL_E_JOBS_SETTING", { setting: name, why, write }, cause);
}
