import { StoreAccess } from "./access.ts";
import { openBackend } from "./backend.ts";

/**
 * Opens the store of a URL.
 *
 * @throws NEWEL_E_JOBS_STORE the URL cannot be used
 */
export async function openStore(url: string): Promise<StoreAccess> {
  return new StoreAccess(await openBackend(url));
}
