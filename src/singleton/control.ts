import type { Contract } from "../wire/contract.ts";
import type { AnyApi } from "./engines/engine.ts";
import type { Identity } from "./identity.ts";
import type { Shape } from "./shape.ts";

/**
 * The method names that every owner serves in addition to its instance; no method of a class can
 * have such a name.
 */
export const INFO = "newel.info";
export const RELEASE = "newel.release";
/** Calls a method that is a field of the instance, as an arrow function is: its name is the first argument. */
export const FIELD = "newel.field";
export const FIELD_STREAM = "newel.fieldStream";

/** The facts that an owner gives about itself. */
export interface OwnerInfo {
  readonly name: string;
  readonly key?: string;
  readonly pid: number;
  /** Its working directory, which identifies the release. */
  readonly directory?: string;
  readonly className?: string;
  /** A digest of the constructor's arguments; missing if they cannot be sent. */
  readonly argsDigest?: string;
  readonly epoch: number;
  /** The time at which it became the owner, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** Calls so far, streams included. */
  readonly calls: number;
  /** Over the last ten seconds. */
  readonly callsPerSecond: number;
  readonly connections: number;
  readonly shape: Shape;
}

/** The contract of an owner. A client need not know the methods: the owner reports them. */
export function contractOf(
  { claim, version }: Pick<Identity, "claim" | "version">,
  shape: Pick<Shape, "calls" | "streams"> = { calls: [], streams: [] },
): Contract<AnyApi> {
  return {
    name: claim,
    version,
    calls: [...shape.calls, INFO, RELEASE, FIELD],
    streams: [...shape.streams, FIELD_STREAM],
  };
}
