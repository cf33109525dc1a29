import type { Found } from "./targets.ts";

/**
 * Sends a signal to the replicas of services. Names of replicas limit it to these replicas.
 *
 * @returns the processes that it was sent to
 */
export async function signalReplicas(
  found: readonly Found[],
  names: readonly string[],
  { signal, group }: { readonly signal: string; readonly group: boolean },
): Promise<readonly { readonly pid: number; readonly command: string }[]> {
  const replicas = found.flatMap(({ service }) => [...service.replicas]);
  const named = new Set(names.filter((name) => replicas.some((replica) => replica.name === name)));
  const chosen = named.size === 0 ? replicas : replicas.filter(({ name }) => named.has(name));
  return (await Promise.all(chosen.map((replica) => replica.signal(signal, group)))).flat();
}
