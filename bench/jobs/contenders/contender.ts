/** A job queue under measurement, on one queue of one store. */
export interface Contender {
  /** Adds a job; resolves when the store has made it as durable as promised. */
  add(number: number): Promise<unknown>;
  addBulk(numbers: readonly number[]): Promise<unknown>;
  /** Begins to work. @returns the function that ends it */
  work(handler: () => void, concurrency: number): Promise<() => Promise<unknown>>;
  completed(): Promise<number>;
  close(): Promise<unknown>;
}

/** Opens a contender. @param connection - the connection to its store */
export type OpenContender = (connection: unknown, queue: string) => Promise<Contender>;
