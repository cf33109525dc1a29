// The singleton.
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
  Servable,
  Singleton,
  SingletonOf,
  SingletonCallOptions,
  SingletonOptions,
} from "./api.ts";

// The context of an instance.
export { ownership } from "./ownership.ts";
export type { Ownership } from "./api.ts";
export { callContext, type CallContext } from "../wire/context.ts";
