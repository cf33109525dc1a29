import { readFileSync } from "node:fs";

import { messageOf, newelError } from "../../base/errors.ts";

/** Where a job server is reached, and what proves that one may. */
export interface RemoteAddress {
  readonly host: string;
  readonly port: number;
  readonly authKey: string;
}

/** How a caller gives the auth key. */
export interface AuthKey {
  readonly authKey?: string;
  /** Its first line. */
  readonly authKeyFile?: string;
}

const LOOPBACK = "127.0.0.1";

/**
 * Reads `jobs://HOST:PORT`; the auth key comes beside it, since URLs end up in logs.
 *
 * @param given - default: `$NEWEL_JOBS_AUTHKEY`, or the file that `$NEWEL_JOBS_AUTHKEY_FILE` names
 * @throws NEWEL_E_JOBS_SETTING naming the host, port or auth key that is missing
 */
export function readRemoteUrl(url: string, given: AuthKey = {}): RemoteAddress {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (error) {
    throw setting("store", `is no URL: ${url}`, '"jobs://HOST:PORT"', error);
  }
  if (parsed.username !== "" || parsed.password !== "")
    throw setting("store", "has a user or a password in its URL", "the auth key beside it");
  const port = Number(parsed.port);
  if (parsed.port === "" || port === 0)
    throw setting("port", "is missing in the store's URL", '"jobs://HOST:PORT"');
  const host = parsed.hostname.replace(/^\[(.*)\]$/, "$1");
  return { host: host === "" ? LOOPBACK : host, port, authKey: readAuthKey(given) };
}

/**
 * The auth key both sides have.
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
      "`authKey`, `authKeyFile`, $NEWEL_JOBS_AUTHKEY or $NEWEL_JOBS_AUTHKEY_FILE",
    );
  let text: string;
  try {
    text = readFileSync(authKeyFile, "utf8");
  } catch (error) {
    const why = `cannot be read from ${authKeyFile}: ${messageOf(error)}`;
    throw setting("auth key", why, "a file that this user can read", error);
  }
  const [line = ""] = text.split("\n", 1);
  if (line.trim() === "")
    throw setting("auth key", `is not in ${authKeyFile}`, "a file whose first line it is");
  return line.trim();
}

function setting(name: string, why: string, write: string, cause?: unknown): Error {
  return newelError("NEWEL_E_JOBS_SETTING", { setting: name, why, write }, cause);
}
