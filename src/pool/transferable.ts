import type { MessagePort } from "node:worker_threads";

import { messageOf, newelError } from "../base/errors.ts";

/** An object that only another thread of this process can take over. */
export type ChannelEnd = MessagePort | ReadableStream | WritableStream | TransformStream;

/** Objects that are transferred instead of copied: memory, and to threads ports and streams. */
export type Transferable = ArrayBuffer | ChannelEnd;

/** Looks at the web streams only in a call: their first use loads them, which an import need not pay. */
export function isChannelEnd(value: unknown): value is ChannelEnd {
  return (
    isPort(value) ||
    value instanceof ReadableStream ||
    value instanceof WritableStream ||
    value instanceof TransformStream
  );
}

/** `node:worker_threads` loads in a call as well: a pool of processes needs none of it. */
function isPort(value: unknown): value is MessagePort {
  return value instanceof process.getBuiltinModule("node:worker_threads").MessagePort;
}

/**
 * Refuses parts that cannot be transferred, before any of them is.
 *
 * @param canClone - the other end is a thread
 * @throws NEWEL_E_NOT_SENDABLE
 */
export function checkTransfer(transfer: readonly Transferable[], canClone: boolean): void {
  for (const [index, part] of transfer.entries()) {
    if (!isChannelEnd(part)) continue;
    const what = `a ${part.constructor.name}`;
    const path = `transfer[${index}]`;
    if (!canClone)
      throw newelError("NEWEL_E_NOT_SENDABLE", {
        path,
        what,
        why: "only a worker of the kind `thread` can take it over",
      });
    if (isLocked(part))
      throw newelError("NEWEL_E_NOT_SENDABLE", {
        path,
        what,
        why: "it is locked to a reader or writer",
      });
  }
}

function isLocked(end: ChannelEnd): boolean {
  if (isPort(end)) return false;
  return end instanceof TransformStream ? end.readable.locked || end.writable.locked : end.locked;
}

/**
 * Takes a port away from its present owner at once. A stream stays as it is until it is sent: a
 * second transfer would be a second pipe.
 *
 * @throws DataCloneError when the port was transferred already
 */
export function take(end: ChannelEnd): ChannelEnd {
  return isPort(end) ? structuredClone(end, { transfer: [end] }) : end;
}

/** Ends a port or stream that no reader takes, so that its other end hears of it. */
export function discard(end: ChannelEnd): void {
  if (isPort(end)) {
    end.close();
    return;
  }
  // A stream that has failed, or was sent, needs no end.
  const ignore = (): void => undefined;
  if (end instanceof WritableStream) end.abort().catch(ignore);
  else if (end instanceof ReadableStream) end.cancel().catch(ignore);
  else {
    end.readable.cancel().catch(ignore);
    end.writable.abort().catch(ignore);
  }
}

/** An error for an object that a message port refused. */
export function notCloneable(error: unknown): Error {
  return newelError(
    "NEWEL_E_NOT_SENDABLE",
    { path: "value", what: "a part that cannot be handed over", why: messageOf(error) },
    error,
  );
}
