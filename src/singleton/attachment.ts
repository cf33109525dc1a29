import type { Connection } from "../wire/client.ts";
import { openConnection } from "../wire/client.ts";
import type { Contract } from "../wire/contract.ts";
import type { WireLimits } from "../wire/limits.ts";
import { memoryPair } from "../wire/memory.ts";
import { Sessions } from "../wire/server.ts";
import { INFO } from "./control.ts";
import type { AnyApi, Service } from "./engines/engine.ts";
import { readShape, type Shape } from "./shape.ts";
import type { Turns } from "./turns.ts";

/** A connection to the current owner. */
export interface Attachment {
  readonly connection: Connection<AnyApi>;
  readonly epoch: number;
  readonly isOwner: boolean;
  /** The methods that this owner has: it may be of another build than this process. */
  readonly shape: Shape;
  /** Methods whose calls have a ticket as their first argument. */
  readonly idempotent: ReadonlySet<string>;
  readonly owner: OwnerFacts;
  /** The queue of the instance in this process, if its calls run one at a time. */
  readonly turns?: Turns | undefined;
}

/** The facts by which an owner is compared and described; a field is missing if it is not known. */
export interface OwnerFacts {
  readonly pid: number | undefined;
  readonly directory: string | undefined;
  readonly sinceMs: number | undefined;
  readonly className: string | undefined;
  readonly argsDigest: string | undefined;
}

/** An owner for errors: `pid 77, class Room, in /srv/chat/releases/12, since 2026-01-01T00:00:00.000Z`. */
export function describeOwner({ pid, directory, sinceMs, className }: OwnerFacts): string {
  return [
    ...(pid === undefined ? [] : [`pid ${pid}`]),
    ...(className === undefined ? [] : [`class ${className}`]),
    ...(directory === undefined ? [] : [`in ${directory}`]),
    ...(sinceMs === undefined ? [] : [`since ${new Date(sinceMs).toISOString()}`]),
  ].join(", ");
}

/** Asks an owner for its facts; resolves once its instance is made. */
export async function attach(
  connection: Connection<AnyApi>,
  isOwner: boolean,
): Promise<Attachment> {
  const info = (await connection.methods.call(INFO, [])) as Readonly<Record<string, unknown>>;
  const shape = readShape(info["shape"]);
  const epoch = Number(info["epoch"]);
  const owner = readFacts(info);
  return { connection, epoch, isOwner, shape, idempotent: new Set(shape.idempotent), owner };
}

function readFacts(info: Readonly<Record<string, unknown>>): OwnerFacts {
  const text = (name: string): string | undefined =>
    typeof info[name] === "string" ? info[name] : undefined;
  const number = (name: string): number | undefined =>
    typeof info[name] === "number" ? info[name] : undefined;
  return {
    pid: number("pid"),
    directory: text("directory"),
    sinceMs: number("sinceMs"),
    className: text("className"),
    argsDigest: text("argsDigest"),
  };
}

/** The owner's local connection to its own instance: the same messages, without a socket. */
export interface LocalWay {
  readonly connection: Connection<AnyApi>;
  readonly sessions: Sessions<AnyApi>;
}

export async function openLocalWay(
  service: Service,
  contract: Contract<AnyApi>,
  limits: Partial<WireLimits>,
): Promise<LocalWay> {
  // Both ends are one thread: silence would prove nothing.
  const options = { limits: { ...limits, heartbeatMs: 0 } };
  const [ours, theirs] = memoryPair();
  const sessions = new Sessions(service.contract, service.implementation, options);
  sessions.accept(theirs);
  return { connection: await openConnection(ours, contract, options), sessions };
}
