// oxlint-disable typescript/no-unnecessary-type-parameters -- that each is used once is the trick
/** Whether two types are the same; `any` and `unknown` are distinguished. */
export type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Does not compile unless the type is `true`. */
export type Expect<T extends true> = T;
