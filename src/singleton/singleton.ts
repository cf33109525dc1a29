import { createHash } from "node:crypto";

import { newelError } from "../base/errors.ts";
import { findHome, homeAt } from "../base/home.ts";
import { encodeText } from "../wire/text.ts";
import { LOST_AFTER_BEATS } from "../wire/vigil.ts";
import type {
  AnyClass,
  CommonOptions,
  Declarations,
  HostedOptions,
  Membership,
  PortOptions,
  Servable,
  SingletonOf,
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
const DEFAULT_UNRESPONSIVE_MS = 30_000;

/**
 * The one instance of a class, shared by all processes that use the same name. The first process
 * makes it; every other process gets a typed proxy to it, and when the owner dies one of them makes
 * the next instance.
 *
 *     const counter = await singleton(Counter, { name: "counter", args: [100] });
 *     await counter.increment();
 *
 * With a module's URL in place of the class the instance lives in a separate process, which the
 * kernel starts and which outlives its creator:
 *
 *     const url = new URL("./counter.ts", import.meta.url);
 *     const counter = await singleton<typeof Counter>(url, { name: "counter", args: [100] });
 *
 * Grown from stance's "self-instantiating worker processes".
 *
 * @returns the proxy, once the instance is made, here or elsewhere
 * @throws NEWEL_E_NO_OWNER when no owner answers within `timeoutMs`
 * @throws NEWEL_E_SECRET when the owner at the port has another secret, or none
 * @throws NEWEL_E_VERSION_SKEW when the owner has another version of the methods
 * @throws NEWEL_E_CONTRACT when the name of a method is not allowed
 * @throws NEWEL_E_SINGLETON_CLASS when the owner has another class
 * @throws NEWEL_E_REFUSED_UID when another user has the address
 * @throws NEWEL_E_DEADLINE when `restore` or `lateInit` does not finish within `timeoutMs`
 * @throws NEWEL_E_SINGLETON when the options cannot be combined
 * @throws NEWEL_E_SINGLETON_HOST when the separate process does not start
 * @throws any error of the constructor, `restore` or `lateInit`
 */
export function singleton<Class extends AnyClass>(
  module: URL,
  options: HostedOptions<Class>,
): Promise<SingletonOf<Class>>;
export function singleton<Class extends AnyClass>(
  type: Class & Declarations<InstanceType<Class>> & Servable<Class>,
  options: SingletonOptions<Class>,
): Promise<SingletonOf<Class>>;
export async function singleton(what: AnyClass | URL, options: CommonOptions): Promise<unknown> {
  const className = what instanceof URL ? undefined : classNameOf(what, options);
  const identity = identify(
    options,
    options.home === undefined ? findHome() : homeAt(options.home),
    className,
  );
  const make = (): MemberOptions =>
    what instanceof URL ? hosted(what, identity, options) : local(what, identity, options);
  return join(identity, what, make);
}

/**
 * Joins only to be the owner: it leaves when its ownership ends. For the program of a separate
 * process.
 */
export function ownOnce(
  type: AnyClass,
  options: SingletonOptions<AnyClass>,
): Promise<Membership<object>> {
  const identity = identify(
    options,
    options.home === undefined ? findHome() : homeAt(options.home),
    classNameOf(type, options),
  );
  const make = (): MemberOptions => ({ ...local(type, identity, options), onlyOnce: true });
  return join(identity, type, make) as Promise<Membership<object>>;
}

/** An anonymous class has no name to compare. */
function classNameOf(type: AnyClass, { className }: CommonOptions): string | undefined {
  const name: unknown = className ?? type.name;
  return typeof name === "string" && name !== "" ? name : undefined;
}

function local(
  type: AnyClass,
  identity: Identity,
  options: SingletonOptions<AnyClass>,
): MemberOptions {
  const shape = shapeOf(type);
  const { args: given } = options as { readonly args?: readonly unknown[] };
  const args = given ?? [];
  const construct = type as unknown as new (...args: readonly unknown[]) => object;
  const keepsState = "save" in type.prototype;
  return {
    ...common(identity, options),
    engine: engineFor(identity, options, keepsState),
    shape,
    maker: options.own === false ? undefined : { make: () => new construct(...args), type },
    argsDigest: given === undefined ? undefined : digestOf(given),
  };
}

function hosted(module: URL, identity: Identity, options: HostedOptions<AnyClass>): MemberOptions {
  return {
    ...common(identity, options),
    engine: new HostedEngine(identity, module, options),
    shape: undefined,
    maker: undefined,
    argsDigest: undefined,
  };
}

function common(
  identity: Identity,
  {
    timeoutMs = DEFAULT_TIMEOUT_MS,
    unresponsiveMs = DEFAULT_UNRESPONSIVE_MS,
    idleMs,
    limits = {},
  }: CommonOptions,
): Pick<MemberOptions, "identity" | "timeoutMs" | "idleMs" | "limits" | "callerLimits"> {
  return {
    identity,
    timeoutMs,
    limits,
    callerLimits: { heartbeatMs: unresponsiveMs / LOST_AFTER_BEATS, ...limits },
    ...(idleMs === undefined ? {} : { idleMs }),
  };
}

/** A digest of arguments, to be compared with that of the owner. */
function digestOf(args: readonly unknown[]): string | undefined {
  try {
    return createHash("sha256").update(encodeText(args)).digest("hex");
  } catch {
    // Arguments that cannot be sent cannot be compared either.
    return undefined;
  }
}

/**
 * All processes that use a singleton must choose the same engine, or there would be two owners: so
 * the choice depends only on the class and the options, never on the running processes.
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
  // An ownership that is being released in this process is waited for, as in another process.
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
      // Only the owner knows the fields of the instance.
      shape: { ...shape, ...member.options.shape },
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
