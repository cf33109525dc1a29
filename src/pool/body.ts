import { deserialize, serialize } from "node:v8";

import { isNewelError, messageOf, newelError } from "../base/errors.ts";
import { decode, isPlain } from "../wire/codec.ts";
import { readU32 } from "../wire/frames.ts";
import { encodeTagged, type Encoded } from "../wire/tagged.ts";
import { READ_BYTES } from "../wire/transport.ts";
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

  /** @param transfer - memory of the value, which is gone here once it was sent */
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
/** From here on handing memory over is worth a message of its own. */
const LARGE_BYTES = 65_536;
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
  const clone = canClone ? encodeAsClone(value) : undefined;
  if (clone !== undefined) return clone;
  if (value instanceof Uint8Array) return bytesBody(value, Buffer.from(value));
  return encodeByV8(value, canClone);
}

/**
 * Between threads shared memory goes as it is, of which v8.serialize would make a copy; and much
 * binary data is copied once and then handed over. A Buffer would arrive as a Uint8Array.
 */
function encodeAsClone(value: unknown): CloneBody | undefined {
  const memory = memoryOf(value);
  if (memory.isShared) return new CloneBody(value, []);
  if (memory.usedBytes < LARGE_BYTES || memory.mayHaveBuffer) return undefined;
  // A clone has the whole of each: small views of a large one would carry the rest along.
  let bytes = 0;
  for (const { byteLength } of memory.buffers) bytes += byteLength;
  if (bytes > 2 * memory.usedBytes) return undefined;
  try {
    const copy: unknown = structuredClone(value);
    return new CloneBody(copy, transferables(copy));
  } catch (error) {
    throw notSendable(error);
  }
}

/** The memory that a value consists of. */
interface Memory {
  readonly buffers: Set<ArrayBuffer>;
  /** What the value shows of them. */
  usedBytes: number;
  isShared: boolean;
  /** There is one, or not all was looked at. */
  mayHaveBuffer: boolean;
}

function memoryOf(value: unknown): Memory {
  const memory: Memory = {
    buffers: new Set(),
    usedBytes: 0,
    isShared: false,
    mayHaveBuffer: false,
  };
  findMemory(value, memory, MAX_MEMORY_DEPTH);
  return memory;
}

function findMemory(value: unknown, memory: Memory, depth: number): void {
  if (typeof value !== "object" || value === null) return;
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  if (buffer instanceof SharedArrayBuffer) memory.isShared = true;
  else if (buffer instanceof ArrayBuffer) {
    memory.buffers.add(buffer);
    memory.usedBytes += (ArrayBuffer.isView(value) ? value : buffer).byteLength;
    memory.mayHaveBuffer ||= Buffer.isBuffer(value);
  } else if (depth === 0) memory.mayHaveBuffer = true;
  else for (const part of partsOf(value)) findMemory(part, memory, depth - 1);
}

function partsOf(value: object): Iterable<unknown> {
  if (value instanceof Map) return [...value.keys(), ...value.values()];
  if (value instanceof Set) return value;
  return Object.values(value);
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

/** The array buffers that a copy consists of: it has them to itself, they can be handed over. */
function transferables(copy: unknown): ArrayBuffer[] {
  return [...memoryOf(copy).buffers];
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
function encodeError(thrown: unknown): TaggedBody {
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

/** An error as a body. */
export function bodyOfError(error: unknown): Body {
  const { json, parts } = encodeError(error);
  return { flags: 0, json, parts };
}

/** The same body, which can be sent once more. */
export function kept(body: Body): Body {
  return body instanceof CloneBody ? new CloneBody(body.value, [], body.json) : body;
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
  const bytes = ownBytes(buffer, at, end);
  if ((flags & BodyFlag.V8) !== 0) return deserialize(bytes) as unknown;
  return (flags & BodyFlag.BUFFER) !== 0
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/**
 * Memory that values may be views of when what was read into is used again. A body this large was
 * put together in memory of its own, and stays there unless it would keep much more alive.
 */
function ownBytes(buffer: Buffer, start: number, end: number): Buffer {
  const bytes = buffer.subarray(start, end);
  if (bytes.length > READ_BYTES && bytes.length * 2 > buffer.buffer.byteLength) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

/** What a FAILED, or another body of an error, holds. */
export function decodeError(buffer: Buffer, start: number, end: number, flags: number): Error {
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

/** What a message port refused after all. */
export function notCloneable(error: unknown): Error {
  return newelError(
    "NEWEL_E_NOT_SENDABLE",
    { what: "a part that cannot be handed over", why: messageOf(error) },
    error,
  );
}
