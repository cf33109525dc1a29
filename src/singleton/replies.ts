import { messageOf, newelError, systemCode } from "../base/errors.ts";
import { rebuildError } from "../wire/remote-errors.ts";
import { jsonOf } from "./json.ts";

/**
 * Names one call of an idempotent method: by a key of the caller, or by the id of the caller, the
 * number of the call and the lowest number that it still has no answer for.
 */
export type Ticket = string | readonly [caller: string, number: number, unanswered: number];

/** The longest id of a caller, and the longest key. */
const NAME_LIMIT = 1_000;

/**
 * Reads the ticket of a call.
 *
 * @throws NEWEL_E_CONTRACT when the value is no ticket
 */
export function readTicket(value: unknown, method: string): Ticket {
  if (isName(value)) return value;
  if (Array.isArray(value)) {
    const [caller, number, unanswered] = value as unknown[];
    if (isName(caller) && isCount(number) && isCount(unanswered))
      return [caller, number, unanswered];
  }
  throw newelError("NEWEL_E_CONTRACT", { method, why: "a call of it needs a ticket" });
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.length <= NAME_LIMIT;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** The outcome of a call, as JSON: a result, an error, or nothing. */
type Reply = { readonly json: string } | { readonly error: Readonly<Record<string, unknown>> };

interface Asker {
  /** The time of the last use, by the clock that no adjustment changes. */
  lastUseMs: number;
  /** The same for the saved text, which an owner of an earlier release may read. */
  usedMs: number;
  readonly replies: Map<number, Reply | Promise<unknown>>;
}

/** A caller that has been silent for this many milliseconds does not call again. */
const KEPT_MS = 600_000;
/**
 * The number of callers and keys whose replies are kept; the one with the oldest use is dropped
 * first.
 */
const ASKERS = 4_096;
const REPLIES_EACH = 4_096;

/**
 * The replies of idempotent calls, kept until their callers have them: a repeated call gets the
 * same reply and does not run a second time.
 */
export class Replies {
  readonly #id: string;
  /** In order of last use. */
  #askers = new Map<string, Asker>();

  constructor(id: string) {
    this.#id = id;
  }

  /**
   * Returns the kept reply, or the reply that is being made, or runs the call.
   *
   * @param keep - saves the state and the replies; no reply is sent before that is done
   */
  once(ticket: Ticket, run: () => unknown, keep: () => Promise<void>): Promise<unknown> {
    const [name, number, unanswered] =
      typeof ticket === "string" ? [`key ${ticket}`, 0, 0] : ticket;
    const asker = this.#asker(name);
    for (const known of asker.replies.keys()) if (known < unanswered) asker.replies.delete(known);
    const known = asker.replies.get(number);
    if (known instanceof Promise) return known;
    if (known !== undefined) return keep().then(() => answer(known));
    // Set before it runs: the method itself may take long, and the call may be repeated in that
    // time.
    const running = Promise.withResolvers<unknown>();
    asker.replies.set(number, running.promise);
    this.#run(asker, number, run, keep).then(running.resolve, running.reject);
    return running.promise;
  }

  async #run(
    asker: Asker,
    number: number,
    run: () => unknown,
    keep: () => Promise<void>,
  ): Promise<unknown> {
    const reply = await settle(run, this.#id);
    asker.replies.set(number, reply);
    try {
      await keep();
    } catch (error) {
      // A reply that was not saved is dropped, so that the call can run again.
      asker.replies.delete(number);
      throw error;
    }
    return answer(reply);
  }

  #asker(name: string): Asker {
    const asker = this.#askers.get(name) ?? { lastUseMs: 0, usedMs: 0, replies: new Map() };
    asker.lastUseMs = performance.now();
    asker.usedMs = Date.now();
    this.#askers.delete(name);
    this.#askers.set(name, asker);
    const [oldest] = this.#askers;
    if (oldest === undefined) return asker;
    const isTooOld = asker.lastUseMs - oldest[1].lastUseMs > KEPT_MS;
    if (isTooOld || this.#askers.size > ASKERS) this.#askers.delete(oldest[0]);
    const [first] = asker.replies.keys();
    if (asker.replies.size > REPLIES_EACH && first !== undefined) asker.replies.delete(first);
    return asker;
  }

  /** The settled replies: `[name, last use, [number, reply]…]` for each caller. */
  toJSON(): unknown {
    return [...this.#askers].flatMap(([name, { usedMs, replies }]) => {
      const settled = [...replies].filter(([, reply]) => !(reply instanceof Promise));
      return settled.length === 0 ? [] : [[name, usedMs, ...settled]];
    });
  }

  /**
   * Restores the replies that an earlier owner saved. Their time begins again: the wall clock may
   * have been set in between.
   */
  restore(saved: unknown): void {
    if (!Array.isArray(saved)) return;
    const lastUseMs = performance.now();
    for (const [name, usedMs, ...replies] of saved as [string, number, ...[number, Reply][]][])
      this.#askers.set(name, { lastUseMs, usedMs, replies: new Map(replies) });
  }
}

async function settle(run: () => unknown, id: string): Promise<Reply> {
  try {
    const value = await run();
    return { json: value === undefined ? "" : jsonOf(value, id) };
  } catch (error) {
    return { error: plainError(error) };
  }
}

function answer(reply: Reply): Promise<unknown> {
  if ("error" in reply) return Promise.reject(rebuildError(reply.error));
  return Promise.resolve(reply.json === "" ? undefined : (JSON.parse(reply.json) as unknown));
}

function plainError(error: unknown): Record<string, unknown> {
  const code = systemCode(error);
  return {
    name: error instanceof Error ? error.name : "Error",
    message: messageOf(error),
    ...(code === undefined ? {} : { code }),
  };
}
