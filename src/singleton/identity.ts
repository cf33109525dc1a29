import { createHash } from "node:crypto";

import { newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { checkName, toFileName } from "../base/names.ts";

/** Identifies a singleton, with the names derived from it. */
export interface Identity {
  readonly name: string;
  readonly key: string | undefined;
  readonly version: number;
  /** The name of the class; missing if this process does not have the class. */
  readonly className: string | undefined;
  readonly home: Home;
  /** For errors: `room`, or `room/7` with a key. */
  readonly id: string;
  /** The name of its claim, its contract, and its state: `singleton/room/7`. */
  readonly claim: string;
  /** The same for equal user, home and id, and different otherwise. */
  readonly hash: string;
}

const PREFIX = "singleton/";
/** Claims and contracts have names of at most 200 characters. */
const ID_LIMIT = 150;

/** @throws NEWEL_E_NAME */
export function identify(
  { name, key, version = 1 }: { readonly name: string; readonly key?: string; version?: number },
  home: Home,
  className?: string,
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
    className,
    home,
    id,
    claim: PREFIX + id,
    hash: digest(`${uid}\0${home.directory}\0${id}`),
  };
}

/** A key in characters that every name allows; a digest if the escaped key is too long. */
function shortKey(key: string): string {
  const plain = toFileName(key);
  return plain.length <= ID_LIMIT / 2 && plain !== "" ? plain : `%${digest(key)}`;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
