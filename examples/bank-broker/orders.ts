/** An order of a bank for a broker. */
export interface Order {
  readonly side: "BUY" | "SELL";
  /** Four letters. */
  readonly code: string;
  readonly amount: number;
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** An order out of thin air. */
export function randomOrder(): Order {
  const letter = (): string => LETTERS[below(LETTERS.length)] ?? "A";
  return {
    side: below(2) === 0 ? "BUY" : "SELL",
    code: [letter(), letter(), letter(), letter()].join(""),
    amount: below(100) + 1,
  };
}

function below(limit: number): number {
  return Math.floor(Math.random() * limit);
}
