import { newelError } from "../base/errors.ts";
import { frameError, PROTOCOL_VERSION } from "./frames.ts";
import { MAX_STREAM_WINDOW, MIN_FRAME_BYTES, type WireLimits } from "./limits.ts";

/** The shape of a method: one answer, or many. */
export type MethodKind = "call" | "stream";

/**
 * The first frame in both directions: which contract this side serves, with its methods in the order
 * of their numbers (a frame can name no other), which one it wants to call, and how much it takes.
 * The header's aux has the protocol version, so that it can be read whatever the body looks like.
 */
export interface Hello {
  readonly serves?: {
    readonly name: string;
    readonly version: number;
    readonly methods: readonly (readonly [name: string, kind: MethodKind])[];
  };
  readonly expects?: { readonly name: string; readonly version: number };
  readonly limits: Pick<WireLimits, "maxFrameBytes" | "maxCalls" | "maxStreams" | "streamWindow">;
}

/** A HELLO is small; until it has come, frames of the peer may not be larger. */
export const MAX_HELLO_BYTES = 262_144;

const MAX_METHODS = 65_536;

/**
 * Reads a HELLO, its body only when its version is ours.
 *
 * @throws NEWEL_E_VERSION_SKEW when the peer speaks another version of the protocol
 * @throws NEWEL_E_FRAME
 */
export function readHello(version: number, body: () => unknown): Hello {
  if (version !== PROTOCOL_VERSION)
    throw newelError("NEWEL_E_VERSION_SKEW", { theirs: version, ours: PROTOCOL_VERSION });
  const { serves, expects, limits } = record(body());
  const { maxFrameBytes, maxCalls, maxStreams, streamWindow } = record(limits);
  return {
    limits: {
      maxFrameBytes: count(maxFrameBytes, MIN_FRAME_BYTES),
      maxCalls: count(maxCalls),
      maxStreams: count(maxStreams),
      streamWindow: count(streamWindow, 1, MAX_STREAM_WINDOW),
    },
    ...(serves === undefined ? {} : { serves: readServes(serves) }),
    ...(expects === undefined ? {} : { expects: readIdentity(expects) }),
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
