import { newelError } from "../../base/errors.ts";

/** The kinds of stores, by the scheme of their URL. */
const KINDS: Readonly<Record<string, StoreKind>> = {
  sqlite: "sqlite",
  redis: "redis",
  rediss: "redis",
  postgres: "postgres",
  postgresql: "postgres",
};

export type StoreKind = "sqlite" | "redis" | "postgres";

/**
 * The kind of a store, from its URL.
 *
 * @throws NEWEL_E_JOBS_STORE
 */
export function storeKind(url: string): StoreKind {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  const kind = scheme !== undefined && Object.hasOwn(KINDS, scheme) ? KINDS[scheme] : undefined;
  if (kind === undefined)
    throw storeError(
      url,
      scheme === undefined ? "it names no kind of store" : `"${scheme}:" is none`,
    );
  if (kind !== "sqlite" && !URL.canParse(url)) throw storeError(url, "it is no URL");
  return kind;
}

function storeError(url: string, why: string, cause?: unknown): Error {
  return newelError("NEWEL_E_JOBS_STORE", { url: withoutPassword(url), why }, cause);
}

/** A URL without secrets, for errors and logs. */
export function withoutPassword(url: string): string {
  return url.replace(/(\/\/[^/@:]*):[^/]*@/, "$1:***@");
}
