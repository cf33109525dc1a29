import type { Scope } from "../helpers/resources.ts";

/**
 * The started resources, to be ended in reverse order: for programs, as a test's context is for
 * tests.
 */
export class Ends implements Scope, AsyncDisposable {
  readonly #ends: (() => void | Promise<void>)[] = [];

  after(end: () => void | Promise<void>): void {
    this.#ends.push(end);
  }

  /** Ends all resources, even if some fail to end. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (const end of this.#ends.splice(0).reverse()) {
      try {
        await end();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "not everything ended");
  }
}

/**
 * Runs the body of a program: the resources that it started end with it, also on Ctrl-C.
 *
 * @returns the result of the body
 */
export async function withScope<T>(body: (scope: Ends) => Promise<T>): Promise<T> {
  await using scope = new Ends();
  const interrupted = Promise.withResolvers<never>();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => interrupted.reject(new Error(`ended by ${signal}`)));
  return await Promise.race([body(scope), interrupted.promise]);
}
