/** A command that holds the lock or waits for it. */
interface Turn {
  readonly verb: string;
  readonly exclusive: boolean;
  readonly abort: AbortController;
  readonly begin: () => void;
}

/** Reports the verb that a waiting one waits for. */
export type OnWait = (verb: string) => void;

/**
 * The order of the verbs of one app: `up` and `down` run alone, verbs on single services run concurrently.
 * Turns are given in the order in which they were asked for.
 */
export class VerbLock {
  readonly #running = new Set<Turn>();
  readonly #waiting: Turn[] = [];

  /** Whether an `up` or a `down` is under way. */
  get isExclusive(): boolean {
    return [...this.#running].some(({ exclusive }) => exclusive);
  }

  /** Asks every verb before the caller's to end early. */
  interrupt(): void {
    for (const turn of [...this.#running, ...this.#waiting]) if (turn.exclusive) turn.abort.abort();
  }

  /**
   * Runs a command (`up`, `down`, `reload`, …) as soon as the lock admits it.
   *
   * @param work - gets a signal that asks it to end early
   * @param onWait - called with the command that holds the lock, if this one has to wait
   */
  async run<T>(
    verb: string,
    kind: "exclusive" | "shared",
    work: (signal: AbortSignal) => Promise<T>,
    onWait: OnWait = () => {},
  ): Promise<T> {
    const begun = Promise.withResolvers<void>();
    const abort = new AbortController();
    const turn: Turn = { verb, exclusive: kind === "exclusive", abort, begin: begun.resolve };
    this.#waiting.push(turn);
    this.#next();
    if (!this.#running.has(turn)) onWait(this.#before(turn));
    await begun.promise;
    try {
      return await work(abort.signal);
    } finally {
      this.#running.delete(turn);
      this.#next();
    }
  }

  #next(): void {
    for (;;) {
      const [turn] = this.#waiting;
      if (turn === undefined) return;
      const isFree = turn.exclusive ? this.#running.size === 0 : !this.isExclusive;
      if (!isFree) return;
      this.#waiting.shift();
      this.#running.add(turn);
      turn.begin();
    }
  }

  #before(turn: Turn): string {
    const earlier = [...this.#running, ...this.#waiting.slice(0, this.#waiting.indexOf(turn))];
    return (earlier.find(({ exclusive }) => exclusive) ?? earlier[0])?.verb ?? "";
  }
}
