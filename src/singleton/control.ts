import type { Contract } from "../wire/contract.ts";
import type { AnyApi } from "./engines/engine.ts";
import type { Identity } from "./identity.ts";
import type { Shape } from "./shape.ts";

/** What every owner serves beside its instance; no method of a class can have such a name. */
export const INFO = "newel.info";
export const RELEASE = "newel.release";

/** What an owner tells of itself. */
export interface OwnerInfo {
  readonly name: string;
  readonly key?: string;
  readonly pid: number;
  readonly epoch: number;
  /** When it became the owner, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** Calls so far, streams included. */
  readonly calls: number;
  /** Over the last ten seconds. */
  readonly callsPerSecond: number;
  readonly connections: number;
  readonly shape: Shape;
}

/** The contract of an owner. Who connects need not know the methods: the owner says them. */
export function contractOf(
  { claim, version }: Pick<Identity, "claim" | "version">,
  shape: Omit<Shape, "idempotent"> = { calls: [], streams: [] },
): Contract<AnyApi> {
  return {
    name: claim,
    version,
    calls: [...shape.calls, INFO, RELEASE],
    streams: [...shape.streams],
  };
}
