import { defineWorker } from "../../src/pool/index.ts";

/** Fetches an address and returns the server that answered. */
export default defineWorker({
  async task(url: string): Promise<{ readonly url: string; readonly server: string | null }> {
    const response = await fetch(url);
    await response.body?.cancel();
    return { url, server: response.headers.get("server") };
  },
});
