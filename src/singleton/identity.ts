import { createHash } from "node:crypto";

import { newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { checkName, toFileName } from "../base/names.ts";

/** Which singleton is meant, and what it is called in the places that know it. */
export interface Identity {
  readonly name: string;
  readonly key: string | undefined;
  readonly version: number;
  readonly home: Home;
  /** For errors: `room`, or `room/7` with a key. */
  readonly id: string;
  /** Its claim, its contract, and the value with its state: `singleton/room/7`. */
  readonly claim: string;
  /** The same user, home and id have the same one, and no others. */
  readonly hash: string;
}

const PREFIX = "singleton/";
/** Claims and contracts have names of at most 200 characters. */
const ID_LIMIT = 150;

/** @throws NEWEL_E_NAME */
export function identify(
  { name, key, version = 1 }: { readonly name: string; readonly key?: string; version?: number },
  home: Home,
): Identity {
  checkName(name, "The singleton's name");
  if (name.includes("/") || name.length > ID_LIMIT / 2) {
    const why = name.includes("/") ? 'it has a "/"' : "it is too long";
    throw newelError("NEWEL_E_NAME", {
      what: "The singleton's name",
      value: JSON.stringify(name),
      why,
    });
  }
  const id = key === undefined ? name : `${name}/${shortKey(key)}`;
  const uid = process.getuid?.() ?? 0;
  return {
    name,
    key,
    version,
    home,
    id,
    claim: PREFIX + id,
    hash: digest(`${uid}\0${home.directory}\0${id}`),
  };
}

/** A key in characters that any name may have; one that gets too long by that as its digest. */
function shortKey(key: string): string {
  const plain = toFileName(key);
  return plain.length <= ID_LIMIT / 2 && plain !== "" ? plain : `%${digest(key)}`;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
