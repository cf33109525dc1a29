/** The messages of a worker that were processed: half of its credit is returned at a time. */
export class MessageCredit {
  readonly #credit: number;
  readonly #give: (credit: number) => void;
  /** Messages that were taken and not yet returned as credit. */
  #owed = 0;

  /** @param credit - the number of messages that may wait */
  constructor(credit: number, give: (credit: number) => void) {
    this.#credit = credit;
    this.#give = give;
  }

  /** One message was processed. */
  taken(): void {
    this.#owed += 1;
    if (this.#owed * 2 < this.#credit) return;
    this.#give(this.#owed);
    this.#owed = 0;
  }
}
