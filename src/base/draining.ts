import { channel } from "node:diagnostics_channel";

/**
 * The announcement of a drain, from the preload or a bus to streams that never end by themselves: each stream
 * ends now, and its client connects again to another process. Preload and library may be two copies of this
 * module, hence the named channel and the registered symbol.
 */
const DRAIN = channel("newel.drain");
const COUNT = Symbol.for("newel.draining");

interface Shared {
  [COUNT]?: number;
}

const shared = globalThis as Shared;

/**
 * Announces that a server stopped accepting and waits for its responses to end.
 *
 * @returns a function that announces the end of the drain, for a process that continues to run
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
 * @returns a function that removes the listener
 */
export function onDrain(listener: () => void): () => void {
  const told = (): void => listener();
  DRAIN.subscribe(told);
  return () => {
    DRAIN.unsubscribe(told);
  };
}
