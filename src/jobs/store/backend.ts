import { dirname } from "node:path";

import { messageOf, newelError } from "../../base/errors.ts";
import { parseConnection } from "../sqlite/connection.ts";
import { createSqliteBackend } from "../sqlite/factory.ts";
import { makeDirectory } from "../../base/make-directory.ts";
import { type Opened, openPostgres, openRedis } from "./servers.ts";
import { type StoreKind, storeKind } from "./url.ts";

/** The options with which BullMQ's classes use a store. */
export interface Backend extends Opened {
  readonly kind: StoreKind;
  readonly url: string;
}

/**
 * Connects to the store of a URL; a missing directory of a file is created.
 *
 * @throws NEWEL_E_JOBS_STORE, NEWEL_E_JOBS_CONNECTION the URL cannot be used
 * @throws NEWEL_E_JOBS_FILE the directory cannot be made
 * @throws NEWEL_E_JOBS_UNREACHABLE the server does not answer
 * @throws NEWEL_E_JOBS_DRIVER the package for this kind of server is not installed
 */
export async function openBackend(url: string): Promise<Backend> {
  const kind = storeKind(url);
  if (kind === "redis") return { kind, url, ...(await openRedis(url)) };
  if (kind === "postgres") return { kind, url, ...(await openPostgres(url)) };
  const { path } = parseConnection(url);
  try {
    makeDirectory(dirname(path));
  } catch (error) {
    throw newelError("NEWEL_E_JOBS_FILE", { path, why: messageOf(error) }, error);
  }
  const factory = createSqliteBackend as unknown as Backend["factory"];
  return { kind, url, connection: url, blocking: url, factory, close: async () => undefined };
}
