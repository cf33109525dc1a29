import type { SingletonCallOptions, Singleton } from "./api.ts";
import type { Calls } from "./calls.ts";
import type { Member } from "./member.ts";
import type { Shape } from "./shape.ts";

export interface ProxyOptions {
  readonly member: Member;
  readonly calls: Calls;
  readonly shape: Shape;
  readonly createdNewInstance: boolean;
  readonly leave: () => Promise<void>;
}

/**
 * The object in front of the one instance: exactly its methods and what {@link Membership} has. It
 * inherits nothing, and is no promise by accident.
 */
export function makeProxy<Instance>(options: ProxyOptions): Singleton<Instance> {
  const { member, createdNewInstance, leave } = options;
  const proxy = withMethods(options);
  Object.defineProperties(proxy, {
    createdNewInstance: { value: createdNewInstance, enumerable: true },
    isOwner: { get: () => member.current?.isOwner === true, enumerable: true },
    epoch: { get: () => member.epoch, enumerable: true },
    leave: { value: leave },
    [Symbol.asyncDispose]: { value: leave },
  });
  return Object.freeze(proxy) as Singleton<Instance>;
}

/** The methods, each call made with the same options. */
function withMethods(
  { calls, shape }: ProxyOptions,
  options?: SingletonCallOptions,
): Record<string, unknown> {
  const methods = Object.create(null) as Record<string, unknown>;
  for (const name of shape.calls)
    methods[name] = (...args: unknown[]) => calls.call(name, args, options);
  for (const name of shape.streams)
    methods[name] = (...args: unknown[]) => calls.stream(name, args, options);
  methods["with"] = (more: SingletonCallOptions) =>
    Object.freeze(withMethods({ calls, shape } as ProxyOptions, { ...options, ...more }));
  return methods;
}
