import type { QueueRecord } from "../queue-record.ts";
import type { Store } from "../store.ts";

/** Names a connection of this process, so that `getWorkers` finds it; `null` removes the name. */
export function setClient(
  store: Store,
  _queue: QueueRecord,
  number: number,
  name: string | null,
): void {
  if (name === null)
    store.run("DELETE FROM client WHERE owner = ? AND number = ?", store.owner, number);
  else
    store.run(
      "REPLACE INTO client (owner, number, name) VALUES (?, ?, ?)",
      store.owner,
      number,
      name,
    );
}

/** The named connections of all processes, one per line. */
export function listClients(store: Store): string[] {
  return store
    .all<{ owner: number; number: number; name: string; pid: number; since: number }>(
      "SELECT owner, number, name, pid, since FROM client JOIN owner ON owner.key = client.owner",
    )
    .map(
      ({ owner, number, name, pid, since }) =>
        `id=${owner}-${number} addr=pid:${pid} name=${name} pid=${pid} age=${Math.round((store.now - since) / 1_000)}`,
    );
}
