import { newelError } from "../base/errors.ts";
import { findHome, homeAt } from "../base/home.ts";
import type {
  AnyClass,
  CommonOptions,
  Declarations,
  HostedOptions,
  Membership,
  PortOptions,
  Singleton,
  SingletonOptions,
} from "./api.ts";
import { Calls } from "./calls.ts";
import type { Engine } from "./engines/engine.ts";
import { HostedEngine } from "./engines/hosted.ts";
import { KernelEngine } from "./engines/kernel.ts";
import { PortEngine } from "./engines/port.ts";
import { SocketEngine } from "./engines/socket.ts";
import { identify, type Identity } from "./identity.ts";
import { Member, type MemberOptions } from "./member.ts";
import { makeProxy } from "./proxy.ts";
import { shapeOf } from "./shape.ts";

const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * The one instance of a class, shared by every process that asks for the same name. The first makes
 * it; every other gets a typed proxy to it, and when the owner dies one of them makes the next.
 *
 *     const counter = await singleton(Counter, { name: "counter", args: [100] });
 *     await counter.increment();
 *
 * With a module's URL in place of the class the instance lives in a process of its own, which the
 * kernel makes and which outlives its creator:
 *
 *     const url = new URL("./counter.ts", import.meta.url);
 *     const counter = await singleton<typeof Counter>(url, { name: "counter", args: [100] });
 *
 * Grown from stance's "self-instantiating worker processes".
 *
 * @returns once the instance is made, here or elsewhere
 * @throws NEWEL_E_NO_OWNER when no owner answers within `timeoutMs`
 * @throws NEWEL_E_SECRET when the owner at the port has another secret, or none
 * @throws NEWEL_E_VERSION_SKEW when the owner has another version of the methods
 * @throws NEWEL_E_CONTRACT when a method has a name that cannot be one
 * @throws NEWEL_E_SINGLETON when the options do not go together
 * @throws NEWEL_E_SINGLETON_HOST when the process of its own does not start
 * @throws what the constructor, `restore` or `lateInit` throws
 */
export function singleton<Class extends AnyClass>(
  type: Class & Declarations<InstanceType<Class>>,
  options: SingletonOptions<Class>,
): Promise<Singleton<InstanceType<Class>>>;
export function singleton<Class extends AnyClass>(
  module: URL,
  options: HostedOptions<Class>,
): Promise<Singleton<InstanceType<Class>>>;
export async function singleton(what: AnyClass | URL, options: CommonOptions): Promise<unknown> {
  const identity = identify(
    options,
    options.home === undefined ? findHome() : homeAt(options.home),
  );
  const make = (): MemberOptions =>
    what instanceof URL ? hosted(what, identity, options) : local(what, identity, options);
  return join(identity, what, make);
}

/**
 * Takes part as the process that shall be the owner and nothing else: it leaves when its ownership
 * ends. For the program of a process of its own.
 */
export function ownOnce(
  type: AnyClass,
  options: SingletonOptions<AnyClass>,
): Promise<Membership<object>> {
  const identity = identify(
    options,
    options.home === undefined ? findHome() : homeAt(options.home),
  );
  const make = (): MemberOptions => ({ ...local(type, identity, options), onlyOnce: true });
  return join(identity, type, make) as Promise<Membership<object>>;
}

function local(
  type: AnyClass,
  identity: Identity,
  options: SingletonOptions<AnyClass>,
): MemberOptions {
  const shape = shapeOf(type);
  const args = (options as { readonly args?: readonly unknown[] }).args ?? [];
  const construct = type as unknown as new (...args: readonly unknown[]) => object;
  const keepsState = "save" in type.prototype;
  return {
    ...common(identity, options),
    engine: engineFor(identity, options, keepsState),
    shape,
    maker: options.own === false ? undefined : { make: () => new construct(...args) },
  };
}

function hosted(module: URL, identity: Identity, options: HostedOptions<AnyClass>): MemberOptions {
  return {
    ...common(identity, options),
    engine: new HostedEngine(identity, module, options),
    shape: undefined,
    maker: undefined,
  };
}

function common(
  identity: Identity,
  { timeoutMs = DEFAULT_TIMEOUT_MS, idleMs, limits }: CommonOptions,
): Pick<MemberOptions, "identity" | "timeoutMs" | "idleMs" | "limits"> {
  return {
    identity,
    timeoutMs,
    ...(idleMs === undefined ? {} : { idleMs }),
    ...(limits === undefined ? {} : { limits }),
  };
}

/**
 * All who name a singleton have to choose the same way, or there would be two owners: so it follows
 * from the class and the options, never from what happens to run.
 */
function engineFor(
  identity: Identity,
  options: SingletonOptions<AnyClass>,
  keepsState: boolean,
): Engine {
  const engine =
    options.port === undefined ? (options.engine ?? (keepsState ? "kernel" : "socket")) : "port";
  if (keepsState && engine !== "kernel")
    throw newelError("NEWEL_E_SINGLETON", {
      name: identity.id,
      why: `its class has save(), and only the kernel keeps state; this is by ${engine}`,
    });
  if (engine === "port") return new PortEngine(identity, options as PortOptions);
  return engine === "kernel"
    ? new KernelEngine(identity, { keepsPlace: options.idleMs === undefined })
    : new SocketEngine(identity);
}

interface Shared {
  readonly member: Member;
  readonly calls: Calls;
  readonly what: AnyClass | URL;
  users: number;
  leaving?: Promise<void>;
}

/** The singletons that this thread takes part in. */
const members = new Map<string, Shared>();

async function join(
  identity: Identity,
  what: AnyClass | URL,
  options: () => MemberOptions,
): Promise<unknown> {
  // One that is giving up here is waited for, as one in another process would be.
  for (let last = members.get(identity.hash); last?.leaving !== undefined;) {
    await last.leaving;
    last = members.get(identity.hash);
  }
  const shared = members.get(identity.hash) ?? begin(options(), what);
  if (!isSame(shared.what, what))
    throw newelError("NEWEL_E_SINGLETON", {
      name: identity.id,
      why: "this process has it with another class",
    });
  members.set(identity.hash, shared);
  const isFirst = shared.users === 0;
  shared.users += 1;
  let hasLeft = false;
  const leave = async (): Promise<void> => {
    if (!hasLeft) shared.users -= 1;
    hasLeft = true;
    if (shared.users > 0) return;
    shared.leaving ??= shared.member.leave().finally(() => members.delete(identity.hash));
    await shared.leaving;
  };
  try {
    const { member, calls } = shared;
    const { isOwner, shape } = await member.attached();
    return makeProxy({
      member,
      calls,
      shape: member.options.shape ?? shape,
      createdNewInstance: isFirst && isOwner,
      leave,
    });
  } catch (error) {
    await leave();
    throw error;
  }
}

function begin(options: MemberOptions, what: AnyClass | URL): Shared {
  const member = new Member(options);
  return { member, calls: new Calls(member), what, users: 0 };
}

function isSame(one: AnyClass | URL, other: AnyClass | URL): boolean {
  if (one instanceof URL && other instanceof URL) return one.href === other.href;
  return one === other;
}
