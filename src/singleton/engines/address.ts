import { createHash, randomBytes } from "node:crypto";
import { linkSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { newelError, systemCode } from "../../base/errors.ts";
import type { Home } from "../../base/home.ts";
import type { Identity } from "../identity.ts";
import { keepFile } from "./kept-file.ts";
import { prepareRecords } from "./records.ts";

const KEY_BYTES = 16;

/**
 * The abstract name under which an owner serves. It contains a random key that is stored in the
 * home, which other users cannot read: so they cannot guess the name of a new home and take it
 * first.
 */
export function abstractName({ hash, home }: Identity, epoch?: number): string {
  const secret = createHash("sha256")
    .update(`${addressKey(home)}\0${hash}`)
    .digest("hex");
  const name = `newel-singleton/${secret.slice(0, 32)}`;
  return epoch === undefined ? name : `${name}/${epoch}`;
}

/** The key of a home; the first process that needs it makes it. */
function addressKey(home: Home): string {
  const path = join(home.directory, "singleton", "address-key");
  const known = readKey(path);
  if (known !== undefined) return known;
  prepareRecords(home);
  keepFile(path, randomBytes(KEY_BYTES).toString("hex"), (fresh) => {
    try {
      // Of all concurrent attempts exactly one succeeds; unlike a rename, a link replaces no key.
      linkSync(fresh, path);
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
    }
  });
  const key = readKey(path);
  if (key === undefined) throw newelError("NEWEL_E_SINGLETON_FILE", { path, why: "it is missing" });
  return key;
}

function readKey(path: string): string | undefined {
  try {
    const key = readFileSync(path, "utf8");
    if (key.length === 2 * KEY_BYTES) return key;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
  throw newelError("NEWEL_E_SINGLETON_FILE", { path, why: "it has no key" });
}
