import { channel } from "node:diagnostics_channel";

/**
 * What the preload or a bus tells streams that never end by themselves when a server of this process
 * drains: end now, your client comes back to another process. Preload and library may be two copies of
 * this module, hence the named channel and the registered symbol.
 */
const DRAIN = channel("newel.drain");
const COUNT = Symbol.for("newel.draining");

interface Shared {
  [COUNT]?: number;
}

const shared = globalThis as Shared;

/**
 * Says that a server stopped accepting and waits for its answers to end.
 *
 * @returns says that it is over, for a process that goes on
 */
export function announceDrain(): () => void {
  shared[COUNT] = (shared[COUNT] ?? 0) + 1;
  DRAIN.publish(undefined);
  return () => {
    shared[COUNT] = (shared[COUNT] ?? 1) - 1;
  };
}

/** Whether a server of this process drains. */
export function isDraining(): boolean {
  return (shared[COUNT] ?? 0) > 0;
}

/**
 * Calls `listener` when a server of this process begins to drain.
 *
 * @returns forgets the listener
 */
export function onDrain(listener: () => void): () => void {
  const told = (): void => listener();
  DRAIN.subscribe(told);
  return () => {
    DRAIN.unsubscribe(told);
  };
}
