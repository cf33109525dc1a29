import type { WireServer } from "../../wire/server.ts";
import type { Identity } from "../identity.ts";
import type { Joined } from "./engine.ts";
import { type OwnerRecord, recordEnd, recordOwner } from "./records.ts";

/**
 * The tenure of an owner whose ownership is the server itself: it ends when the server closes, and
 * only its own process closes it.
 */
export async function beginTenure(
  identity: Identity,
  server: WireServer,
  owner: Pick<OwnerRecord, "engine" | "address" | "hasSecret">,
): Promise<Joined> {
  try {
    const record = recordOwner(identity, owner);
    const { epoch, sinceMs } = record;
    const lost = new AbortController().signal;
    const end = async (): Promise<void> => {
      try {
        recordEnd(identity, record);
      } finally {
        await server.close(0);
      }
    };
    return { tenure: { epoch, sinceMs, server, lost, end } };
  } catch (error) {
    await server.close(0);
    throw error;
  }
}
