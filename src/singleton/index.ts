// The one instance.
export { singleton } from "./singleton.ts";
export type {
  AnyClass,
  ArgumentOptions,
  CommonOptions,
  Declarations,
  Hooks,
  HostedOptions,
  LocalOptions,
  Membership,
  MethodNames,
  PortOptions,
  RemoteMethods,
  Singleton,
  SingletonCallOptions,
  SingletonOptions,
} from "./api.ts";

// What the instance can know.
export { ownership } from "./ownership.ts";
export type { Ownership } from "./api.ts";
export { callContext, type CallContext } from "../wire/context.ts";
