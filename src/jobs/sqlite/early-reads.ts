import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";

import { isRead, type Outcome, type Request, runReads } from "./group.ts";
import type { CallMessage, ReplyMessage, ToThread } from "./messages.ts";
import { reply } from "./replies.ts";
import type { Store } from "./store.ts";

/**
 * Answers reads while a transaction waits for the write lock that another process holds: SQLite's readers do not wait for
 * writers in WAL mode (wal.html, section 2.2), but the store thread waits with the transaction.
 *
 * The thread takes the messages that arrive in that time. Calls at the beginning of a message that only read are answered
 * at once; the others are kept for the next turn. So calls of one turn of the caller's loop stay in their
 * order; a later read may be answered before a change that its caller has not awaited.
 */
export class EarlyReads {
  readonly #port: MessagePort;
  readonly #answer: (replies: readonly ReplyMessage[]) => void;
  #kept: ToThread[] = [];

  constructor(port: MessagePort, answer: (replies: readonly ReplyMessage[]) => void) {
    this.#port = port;
    this.#answer = answer;
  }

  /** The kept messages, in their order. */
  take(): ToThread[] {
    const kept = this.#kept;
    this.#kept = [];
    return kept;
  }

  /** @returns whether a message was kept while none was before, so that another turn has to begin */
  serve(store: Store): boolean {
    const had = this.#kept.length > 0;
    for (;;) {
      const more = receiveMessageOnPort(this.#port);
      if (more === undefined) break;
      const message = more.message as ToThread;
      const calls = this.#answerReads(store, message);
      if (calls.length > 0 || hasMore(message)) this.#kept.push({ ...message, calls });
    }
    return !had && this.#kept.length > 0;
  }

  /** @returns the calls that were not answered */
  #answerReads(store: Store, { now, calls }: ToThread): readonly CallMessage[] {
    const firstChange = calls.findIndex(([, operation]) => !isRead(operation));
    const reads = firstChange === -1 ? calls : calls.slice(0, firstChange);
    if (reads.length === 0) return calls;
    const outcomes = tryReads(
      store,
      reads.map(([, operation, queue, args]) => ({ operation, queue, args, now })),
    );
    if (outcomes === undefined) return calls;
    this.#answer(reads.map(([number], at) => reply(number, outcomes[at])));
    return calls.slice(reads.length);
  }
}

/** Whether a message has something other than calls. */
function hasMore({ now: _now, calls: _calls, ...others }: ToThread): boolean {
  return Object.values(others).some((value) => value !== undefined);
}

/** @returns `undefined` when the file cannot be read now; then the calls wait for their turn */
function tryReads(store: Store, requests: readonly Request[]): Outcome[] | undefined {
  try {
    return runReads(store, requests);
  } catch {
    return undefined;
  }
}
