import { newelError } from "../base/errors.ts";
import { frameError, PROTOCOL_VERSION } from "./frames.ts";
import { MAX_DEPTH, MAX_STREAM_WINDOW, MIN_FRAME_BYTES, type WireLimits } from "./limits.ts";

/** The kind of a method: one result, or a stream of results. */
export type MethodKind = "call" | "stream";

/**
 * The first frame in both directions: the contract that this side serves, with its methods in the
 * order of their numbers (a frame can name no other method), the contract that it wants to call,
 * and its limits. The header's aux has the protocol version, so that it can be read regardless of
 * the body.
 */
export interface Hello {
  readonly serves?: {
    readonly name: string;
    readonly version: number;
    readonly methods: readonly (readonly [name: string, kind: MethodKind])[];
  };
  readonly expects?: { readonly name: string; readonly version: number };
  readonly limits: PeerLimits;
}

/**
 * The limits of a reader that the sender enforces: a value above a limit fails its own call, on the
 * sender's side.
 */
export type PeerLimits = Pick<
  WireLimits,
  | "maxFrameBytes"
  | "maxCalls"
  | "maxStreams"
  | "streamWindow"
  | "maxDepth"
  | "maxParts"
  | "maxReferences"
>;

/** The limits that a side announces to its peer. */
export function toldLimits(limits: WireLimits): PeerLimits {
  const { maxFrameBytes, maxCalls, maxStreams, streamWindow } = limits;
  const { maxDepth, maxParts, maxReferences } = limits;
  return {
    maxFrameBytes,
    maxCalls,
    maxStreams,
    streamWindow,
    maxDepth,
    maxParts,
    maxReferences,
  };
}

/** A HELLO is small; before the HELLO no frame of the peer may be larger than this. */
export const MAX_HELLO_BYTES = 262_144;

const MAX_METHODS = 65_536;

/**
 * Reads a HELLO, its body only when its version is that of this side.
 *
 * @throws NEWEL_E_VERSION_SKEW when the peer speaks another version of the protocol
 * @throws NEWEL_E_FRAME
 */
export function readHello(version: number, body: () => unknown): Hello {
  if (version !== PROTOCOL_VERSION)
    throw newelError("NEWEL_E_VERSION_SKEW", { theirs: version, ours: PROTOCOL_VERSION });
  const { serves, expects, limits } = record(body());
  return {
    limits: readLimits(record(limits)),
    ...(serves === undefined ? {} : { serves: readServes(serves) }),
    ...(expects === undefined ? {} : { expects: readIdentity(expects) }),
  };
}

function readLimits(limits: Readonly<Record<string, unknown>>): PeerLimits {
  const { maxFrameBytes, maxCalls, maxStreams, streamWindow } = limits;
  const { maxDepth, maxParts, maxReferences } = limits;
  return {
    maxFrameBytes: count(maxFrameBytes, MIN_FRAME_BYTES),
    maxCalls: count(maxCalls),
    maxStreams: count(maxStreams),
    streamWindow: count(streamWindow, 1, MAX_STREAM_WINDOW),
    // A deeper walk would not fit the sender's own stack.
    maxDepth: Math.min(count(maxDepth, 1), MAX_DEPTH),
    maxParts: count(maxParts),
    maxReferences: count(maxReferences),
  };
}

function readServes(value: unknown): NonNullable<Hello["serves"]> {
  const { methods } = record(value);
  if (!Array.isArray(methods) || methods.length > MAX_METHODS) throw malformed();
  return {
    ...readIdentity(value),
    methods: methods.map((method: unknown) => {
      if (!Array.isArray(method)) throw malformed();
      const [name, kind] = method as unknown[];
      if (typeof name !== "string" || (kind !== "call" && kind !== "stream")) throw malformed();
      return [name, kind] as const;
    }),
  };
}

function readIdentity(value: unknown): { name: string; version: number } {
  const { name, version } = record(value);
  if (typeof name !== "string" || name.length > 200) throw malformed();
  return { name, version: count(version) };
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed();
  return value as Record<string, unknown>;
}

function count(value: unknown, least = 0, most: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw malformed();
  if (value < least || value > most) throw malformed();
  return value;
}

function malformed(): Error {
  return frameError("a HELLO of another shape");
}
