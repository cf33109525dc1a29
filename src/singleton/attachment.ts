import type { Connection } from "../wire/client.ts";
import { openConnection } from "../wire/client.ts";
import type { Contract } from "../wire/contract.ts";
import type { WireLimits } from "../wire/limits.ts";
import { memoryPair } from "../wire/memory.ts";
import { Sessions } from "../wire/server.ts";
import { INFO } from "./control.ts";
import type { AnyApi, Service } from "./engines/engine.ts";
import { readShape, type Shape } from "./shape.ts";

/** A connection to the owner of the moment. */
export interface Attachment {
  readonly connection: Connection<AnyApi>;
  readonly epoch: number;
  readonly isOwner: boolean;
  /** The methods as that owner has them: it may be of another build than this process. */
  readonly shape: Shape;
  /** Methods whose calls have a ticket as their first argument. */
  readonly idempotent: ReadonlySet<string>;
}

/** Asks an owner who it is; resolves once its instance is made. */
export async function attach(
  connection: Connection<AnyApi>,
  isOwner: boolean,
): Promise<Attachment> {
  const info = (await connection.methods.call(INFO, [])) as Readonly<Record<string, unknown>>;
  const shape = readShape(info["shape"]);
  const epoch = Number(info["epoch"]);
  return { connection, epoch, isOwner, shape, idempotent: new Set(shape.idempotent) };
}

/** The owner's own way to its instance: the same messages, without a socket. */
export interface LocalWay {
  readonly connection: Connection<AnyApi>;
  readonly sessions: Sessions<AnyApi>;
}

export async function openLocalWay(
  service: Service,
  contract: Contract<AnyApi>,
  limits: Partial<WireLimits> | undefined,
): Promise<LocalWay> {
  const options = limits === undefined ? {} : { limits };
  const [ours, theirs] = memoryPair();
  const sessions = new Sessions(service.contract, service.implementation, options);
  sessions.accept(theirs);
  return { connection: await openConnection(ours, contract, options), sessions };
}
