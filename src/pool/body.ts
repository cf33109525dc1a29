import { deserialize, serialize } from "node:v8";

import { isNewelError, messageOf, newelError } from "../base/errors.ts";
import { decode, isPlain } from "../wire/codec.ts";
import { readU32 } from "../wire/frames.ts";
import { encodeTagged, type Encoded } from "../wire/tagged.ts";
import { thrownValue } from "../wire/remote-errors.ts";
import { BodyFlag, ERROR_LIMITS } from "./protocol.ts";

/**
 * How tasks and results become bytes. A value that JSON says exactly goes as JSON, which is several
 * times faster than anything else; binary data as it is; all else by v8.serialize, which may be used
 * here because both ends are the same program under the same user. Each value is copied by itself
 * and when it is handed over, so that no task sees what happens to another's, or later.
 */

/** A value ready to be sent: JSON text, one binary part, or (between threads) the value itself. */
export type Body = string | BinaryBody | CloneBody;

interface BinaryBody {
  readonly flags: number;
  /** The telemetry context, as JSON; else empty. */
  readonly json: string;
  readonly parts: readonly Buffer[];
}

type TaggedBody = Exclude<Encoded, string>;

/** Only a message port can carry it: it shares memory, or hands it over without a copy. */
export class CloneBody {
  readonly value: unknown;
  readonly transfer: readonly ArrayBuffer[];
  /** The telemetry context, as JSON; else empty. */
  readonly json: string;

  constructor(value: unknown, transfer: readonly ArrayBuffer[], json = "") {
    this.value = value;
    this.transfer = transfer;
    this.json = json;
  }
}

/** Levels within each other that JSON is tried for; a cycle ends there and goes by v8. */
const MAX_JSON_DEPTH = 100;
/** Shared memory, or memory to hand over, is looked for so many levels deep. */
const MAX_MEMORY_DEPTH = 8;
/** Where the text and the part of a body with one part begin: after count and lengths. */
const PART_START = 12;

/**
 * Copies a value into bytes.
 *
 * @param canClone - the other end is a thread, which can be sent shared memory
 * @throws NEWEL_E_NOT_SENDABLE
 */
export function encodeBody(value: unknown, canClone: boolean): Body {
  if (value === undefined) return "";
  if (isPlain(value, MAX_JSON_DEPTH)) return JSON.stringify(value);
  if (value instanceof Uint8Array && !(value.buffer instanceof SharedArrayBuffer))
    return bytesBody(value, Buffer.from(value));
  if (canClone && sharesMemory(value)) return new CloneBody(value, []);
  return encodeByV8(value, canClone);
}

/** v8.serialize would make a copy of a view of shared memory. */
function sharesMemory(value: unknown, depth = MAX_MEMORY_DEPTH): boolean {
  if (typeof value !== "object" || value === null || depth === 0) return false;
  if (value instanceof SharedArrayBuffer) return true;
  if (ArrayBuffer.isView(value)) return value.buffer instanceof SharedArrayBuffer;
  return Object.values(value).some((each) => sharesMemory(each, depth - 1));
}

/** A value whose memory is handed over: it is empty here afterwards. */
export function encodeTransferred(
  value: unknown,
  transfer: readonly ArrayBuffer[],
  canClone: boolean,
): Body {
  let moved: unknown;
  try {
    moved = structuredClone(value, { transfer: [...transfer] });
  } catch (error) {
    throw notSendable(error);
  }
  if (canClone) return new CloneBody(moved, transferables(moved));
  if (moved instanceof Uint8Array)
    return bytesBody(value, Buffer.from(moved.buffer, moved.byteOffset, moved.byteLength));
  return encodeByV8(moved, false);
}

/** The array buffers a just transferred value consists of, to be handed on. */
function transferables(value: unknown, depth = MAX_MEMORY_DEPTH): ArrayBuffer[] {
  if (typeof value !== "object" || value === null || depth === 0) return [];
  if (value instanceof ArrayBuffer) return [value];
  if (ArrayBuffer.isView(value)) return value.buffer instanceof ArrayBuffer ? [value.buffer] : [];
  const found = Object.values(value).flatMap((each) => transferables(each, depth - 1));
  return [...new Set(found)];
}

function bytesBody(original: unknown, copy: Buffer): BinaryBody {
  const flags = Buffer.isBuffer(original) ? BodyFlag.BYTES | BodyFlag.BUFFER : BodyFlag.BYTES;
  return { flags, json: "", parts: [copy] };
}

function encodeByV8(value: unknown, canClone: boolean): Body {
  try {
    return { flags: BodyFlag.V8, json: "", parts: [serialize(value)] };
  } catch (error) {
    if (!canClone) throw notSendable(error);
    // Shared memory and ports can be cloned but have no bytes; this tells them from functions.
    try {
      structuredClone(value);
    } catch {
      throw notSendable(error);
    }
    return new CloneBody(value, []);
  }
}

/** An error as tagged JSON, with its class name, code, own properties, cause and stack. */
export function encodeError(thrown: unknown): TaggedBody {
  const error = thrownValue(thrown);
  try {
    return tagged(error);
  } catch (reason) {
    // Its cause cannot be sent: at least say what it was.
    const bare = new Error(error.message);
    bare.name = error.name;
    if (error.stack !== undefined) bare.stack = `${error.stack}\n(${messageOf(reason)})`;
    return tagged(bare);
  }
}

function tagged(error: Error): TaggedBody {
  return encodeTagged(error, ERROR_LIMITS, undefined);
}

/** Puts the telemetry context beside a body. */
export function withContext(body: Body, json: string): Body {
  if (typeof body === "string") return { flags: BodyFlag.JSON, json, parts: [Buffer.from(body)] };
  if (body instanceof CloneBody) return new CloneBody(body.value, body.transfer, json);
  return { ...body, json };
}

/** The telemetry context beside a body, as JSON; empty when there is none. */
export function readContext(buffer: Buffer, start: number, end: number, flags: number): string {
  if ((flags & ~BodyFlag.TAGGED) === 0 || start === end) return "";
  const at = start + PART_START;
  return buffer.toString("utf8", at, at + readU32(buffer, start + 4));
}

/** Reads a value; the bytes may be used again afterwards. */
export function decodeBody(buffer: Buffer, start: number, end: number, flags: number): unknown {
  if (flags === 0)
    return start === end ? undefined : (JSON.parse(buffer.toString("utf8", start, end)) as unknown);
  if ((flags & ~BodyFlag.TAGGED) === 0) return decode(buffer, start, end, true, ERROR_LIMITS);
  const at = start + PART_START + readU32(buffer, start + 4);
  if ((flags & BodyFlag.JSON) !== 0)
    return at === end ? undefined : (JSON.parse(buffer.toString("utf8", at, end)) as unknown);
  // Memory of its own: values that are views of it outlive what was read into.
  const bytes = Buffer.allocUnsafeSlow(end - at);
  buffer.copy(bytes, 0, at, end);
  if ((flags & BodyFlag.V8) !== 0) return deserialize(bytes) as unknown;
  return (flags & BodyFlag.BUFFER) !== 0
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** What a FAILED, or another body of an error, holds. */
export function decodeError(buffer: Buffer, start: number, end: number, flags: number): unknown {
  const error = decodeBody(buffer, start, end, flags);
  return error instanceof Error ? error : thrownValue(error);
}

function notSendable(error: unknown): Error {
  if (isNewelError(error)) return error;
  return newelError(
    "NEWEL_E_NOT_SENDABLE",
    { what: "a part that has no copy", why: messageOf(error).replace(/\.$/, "") },
    error,
  );
}
