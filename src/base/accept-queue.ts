import { loadTimers } from "./builtins.ts";

/** The longest time for which a drain accepts connections that were queued before it, in milliseconds. */
const LONGEST_MS = 1_000;

/**
 * Lets a server accept the connections that were queued before a drain; resolves after a turn of the event
 * loop without a new one (libuv accepts one connection a turn). Otherwise a process that was busy or stopped
 * when the drain began would reset them with its socket, or leave them to the next process, which may do the
 * same.
 *
 * @param accepted - how many connections the server has accepted so far
 * @param limitMs - milliseconds, at most 1,000
 */
export async function acceptQueued(accepted: () => number, limitMs: number): Promise<void> {
  const nextTurn = loadTimers().setImmediate;
  const end = performance.now() + Math.min(LONGEST_MS, limitMs);
  for (let before = -1; before < accepted() && performance.now() < end;) {
    before = accepted();
    await nextTurn();
    await nextTurn();
  }
}
