/**
 * An object whose every property is a function: `call` runs it by its name. It is no promise, although
 * each name exists.
 */
export function named(
  call: (name: string, args: readonly unknown[]) => unknown,
): Readonly<Record<string, unknown>> {
  return new Proxy<Readonly<Record<string, unknown>>>(Object.freeze(Object.create(null)), {
    get(_target, name) {
      if (typeof name === "symbol" || name === "then") return undefined;
      return (...args: unknown[]) => call(name, args);
    },
  });
}
