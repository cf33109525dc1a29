import type { SingletonCallOptions, Singleton } from "./api.ts";
import type { Calls } from "./calls.ts";
import { FIELD, FIELD_STREAM } from "./control.ts";
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
 * The proxy of the shared instance: exactly its methods and the members of {@link Membership}. It
 * inherits nothing, so that it can never be mistaken for a promise.
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
  for (const name of shape.fields ?? [])
    methods[name] ??= (...args: unknown[]) => calls.call(FIELD, [name, ...args], options);
  for (const name of shape.fieldStreams ?? [])
    methods[name] ??= (...args: unknown[]) => calls.stream(FIELD_STREAM, [name, ...args], options);
  methods["with"] = (more: SingletonCallOptions) =>
    Object.freeze(withMethods({ calls, shape } as ProxyOptions, { ...options, ...more }));
  return methods;
}
