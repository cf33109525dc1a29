import type { Home } from "../../base/home.ts";
import { connectKernel } from "../../kernel/client/client.ts";
import type { KernelClient } from "../../kernel/client-api.ts";

interface Share {
  readonly client: Promise<KernelClient>;
  users: number;
}

/** By home: all owners of one thread share a connection, and close it with the last owner. */
const shares = new Map<string, Share>();

/** One use of the shared kernel client; `end` of the last use closes the client. */
export interface KernelUse {
  readonly client: KernelClient;
  end(): Promise<void>;
}

/**
 * Connects to the kernel of a home, starting one if there is none.
 *
 * @throws NEWEL_E_KERNEL_UNREACHABLE
 */
export async function useKernel(home: Home): Promise<KernelUse> {
  const share = shares.get(home.directory) ?? {
    client: connectKernel({ home, keepAlive: false }),
    users: 0,
  };
  shares.set(home.directory, share);
  share.users += 1;
  const end = async (): Promise<void> => {
    share.users -= 1;
    if (share.users > 0) return;
    if (shares.get(home.directory) === share) shares.delete(home.directory);
    await (await share.client).close();
  };
  try {
    const client = await share.client;
    let isOver = false;
    const endOnce = async (): Promise<void> => {
      if (isOver) return;
      isOver = true;
      await end();
    };
    return { client, end: endOnce };
  } catch (error) {
    // The next caller tries again.
    share.users -= 1;
    if (shares.get(home.directory) === share) shares.delete(home.directory);
    throw error;
  }
}
