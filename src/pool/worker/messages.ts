import { newelError } from "../../base/errors.ts";
import type { Body } from "../body.ts";
import type { Link } from "../link.ts";
import { ToPool } from "../protocol.ts";
import { Ring } from "../ring.ts";
import type { TaskScope } from "./scope.ts";

/** The most waiting messages; code that awaits each message has at most one. */
const MAX_WAITING = 65_536;

interface Waiting {
  readonly body: Body;
  readonly scope: TaskScope | undefined;
  readonly resolve: () => void;
}

const SENT: Promise<void> = Promise.resolve();

/** The messages of a worker to its pool: as many as the pool gives credit for, the rest waits. */
export class Messages {
  readonly #link: Link;
  readonly #waiting = new Ring<Waiting>();
  readonly #onEmpty: (() => void)[] = [];
  #credit = 0;

  constructor(link: Link) {
    this.#link = link;
  }

  /** @throws NEWEL_E_LIMIT */
  send(body: Body, scope: TaskScope | undefined): Promise<void> {
    if (this.#credit > 0) {
      this.#credit -= 1;
      this.#link.send(ToPool.MESSAGE, 0, 0, body);
      return SENT;
    }
    if (this.#waiting.length >= MAX_WAITING)
      throw newelError("NEWEL_E_LIMIT", {
        what: "the number of messages that wait for the pool",
        limit: MAX_WAITING,
        unit: "messages; await each `post`",
      });
    if (scope !== undefined) scope.waitingMessages += 1;
    return new Promise((resolve) => {
      this.#waiting.push({ body, scope, resolve });
    });
  }

  /** The pool accepts this many more messages. */
  addCredit(credit: number): void {
    this.#credit += credit;
    while (this.#credit > 0) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      const { body, scope, resolve } = next;
      this.#credit -= 1;
      this.#link.send(ToPool.MESSAGE, 0, 0, body);
      resolve();
      if (scope === undefined) continue;
      scope.waitingMessages -= 1;
      if (scope.waitingMessages === 0) scope.onMessagesSent?.();
    }
    if (this.#waiting.length === 0) for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  /** Resolves when no message waits any more. */
  sent(): Promise<void> {
    if (this.#waiting.length === 0) return SENT;
    return new Promise((resolve) => {
      this.#onEmpty.push(resolve);
    });
  }
}
