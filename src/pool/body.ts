import { decode, isPlain } from "../wire/codec.ts";
import { readU32 } from "../wire/frames.ts";
import { decodeTagged } from "../wire/tagged-reader.ts";
import { encodeTagged, encodeThrown } from "../wire/tagged-writer.ts";
import type { TaggedBody } from "../wire/tagged.ts";
import { READ_BYTES } from "../wire/transport.ts";
import { bareError, thrownValue } from "../wire/remote-errors.ts";
import {
  decodeTexts,
  encodeTexts,
  holdsLargeText,
  putTexts,
  takeTexts,
  type SeparateTexts,
} from "./large-texts.ts";
import { BodyFlag, ERROR_LIMITS, VALUE_LIMITS } from "./protocol.ts";
import {
  checkTransfer,
  discard,
  isChannelEnd,
  notCloneable,
  take,
  type ChannelEnd,
  type Transferable,
} from "./transferable.ts";

/**
 * The encoding of tasks and results as bytes. A value that JSON represents exactly is sent as JSON,
 * binary data as it is, a plain value with large texts as large-texts.ts describes, and every other
 * value as tagged JSON like on the wire, so that pool and wire support and refuse the same values. Each
 * value is copied separately and at the time of the call, so that no task sees later changes or
 * changes by another task.
 */

/** A value ready to be sent: JSON text, binary parts, or (between threads) transferred memory. */
export type Body = string | BinaryBody | CloneBody;

interface BinaryBody {
  readonly flags: number;
  /** The telemetry context or the tagged JSON; otherwise empty. */
  readonly json: string;
  readonly parts: readonly Uint8Array[];
}

/**
 * The representation of a value on a message port: tagged JSON, its binary parts, and objects that
 * the port shares or transfers.
 */
export interface Carried {
  readonly json: string;
  readonly parts: readonly Uint8Array[];
  /** Shared memory, message ports and streams. */
  readonly handed: readonly object[];
  /** The whole value instead, if it is plain and has large texts: a port copies them quickly. */
  readonly plain?: SeparateTexts;
}

/** Only a message port can carry it: it shares memory, or transfers memory without a copy. */
export class CloneBody {
  readonly value: Carried;
  readonly transfer: readonly Transferable[];
  /** The telemetry context, as JSON; otherwise empty. */
  readonly json: string;

  /** @param transfer - parts of the value, which are detached on this side once it was sent */
  constructor(value: Carried, transfer: readonly Transferable[], json = "") {
    this.value = value;
    this.transfer = transfer;
    this.json = json;
  }

  /** Whether it hands over a message port or a stream: it can be sent once. */
  get isUnique(): boolean {
    return this.transfer.some(isChannelEnd);
  }
}

/** JSON is tried for values up to this nesting depth. */
const MAX_JSON_DEPTH = 100;
/** Memory of at least this size is worth a separate message to transfer it. */
const LARGE_BYTES = 65_536;

/**
 * Copies a value into bytes.
 *
 * @param canClone - the other end is a thread, which can share memory
 * @throws NEWEL_E_NOT_SENDABLE with the path of a part that cannot be sent
 * @throws NEWEL_E_LIMIT when it is nested deeper than 1,000 levels
 */
export function encodeBody(value: unknown, canClone: boolean): Body {
  if (value === undefined) return "";
  const plain = plainBody(value, canClone);
  if (plain !== undefined) return plain;
  const handed: object[] = [];
  const body = tagged(value, canClone ? handed : undefined);
  if (handed.length > 0 || (canClone && partBytes(body.parts) >= LARGE_BYTES))
    return cloned(body, handed);
  if (value instanceof Uint8Array && body.parts.length === 1) return bytesBody(value);
  return copied(body);
}

/** The body of a value that JSON represents exactly; `undefined` for every other value. */
function plainBody(value: unknown, canClone: boolean): Body | undefined {
  try {
    if (!isPlain(value, MAX_JSON_DEPTH)) return undefined;
    if (!holdsLargeText(value)) return JSON.stringify(value);
    if (!canClone) return { flags: BodyFlag.TEXTS, json: "", parts: encodeTexts(value) };
    const separate = takeTexts(value);
    const plain = { ...separate, rest: structuredClone(separate.rest) };
    return new CloneBody({ json: "", parts: [], handed: [], plain }, []);
  } catch {
    // A getter or Proxy failed, or the text is too long: the tagged encoding reports which part
    // failed.
    return undefined;
  }
}

/**
 * Encodes a value with memory, message ports or streams that are transferred: memory and ports are
 * detached on this side afterwards, streams when the body is sent.
 *
 * @throws NEWEL_E_NOT_SENDABLE
 */
export function encodeTransferred(
  value: unknown,
  transfer: readonly Transferable[],
  canClone: boolean,
): Body {
  checkTransfer(transfer, canClone);
  const ends = transfer.filter(isChannelEnd);
  const handed: object[] = [];
  const body = tagged(value, canClone ? handed : undefined, ends);
  // Before any memory is moved: afterwards it cannot be read.
  const copy = canClone ? undefined : copied(body);
  const views = body.parts.map(({ buffer, byteOffset, byteLength }) => ({
    buffer,
    byteOffset,
    byteLength,
  }));
  const own = body.parts.map((part) =>
    transfer.includes(part.buffer as ArrayBuffer) ? undefined : new Uint8Array(part),
  );
  const moved = new Map<unknown, Transferable>();
  for (const part of new Set(transfer)) moved.set(part, move(part));
  if (copy !== undefined) return copy;
  const parts = views.map(({ buffer, byteOffset, byteLength }, index) => {
    const memory = moved.get(buffer);
    return memory instanceof ArrayBuffer
      ? new Uint8Array(memory, byteOffset, byteLength)
      : (own[index] ?? new Uint8Array());
  });
  const handedOver = handed.map((object) => moved.get(object) ?? object);
  const movedEnds = [...moved.values()].filter(isChannelEnd);
  return new CloneBody({ json: body.json, parts, handed: handedOver }, [
    ...memoryOf(parts),
    ...movedEnds,
  ]);
}

function move(part: Transferable): Transferable {
  try {
    return part instanceof ArrayBuffer ? part.transfer() : take(part);
  } catch (error) {
    throw notCloneable(error);
  }
}

/**
 * @param handed - collects the shared memory of the value and its channel ends; `undefined` if it
 * can have neither
 */
function tagged(
  value: unknown,
  handed: object[] | undefined,
  ends: readonly ChannelEnd[] = [],
): TaggedBody {
  const limits = VALUE_LIMITS;
  if (handed === undefined) return encodeTagged(value, { limits });
  const handOver = (object: object): number | undefined => {
    if (!(object instanceof SharedArrayBuffer) && !ends.some((end) => end === object))
      return undefined;
    const known = handed.indexOf(object);
    return known === -1 ? handed.push(object) - 1 : known;
  };
  return encodeTagged(value, { limits, handOver });
}

function partBytes(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** Copies the parts to separate memory, which is transferred. */
function cloned({ json, parts }: TaggedBody, handed: readonly object[]): CloneBody {
  const own = parts.map((part) => new Uint8Array(part));
  return new CloneBody({ json, parts: own, handed }, memoryOf(own));
}

function memoryOf(parts: readonly Uint8Array[]): ArrayBuffer[] {
  return [...new Set(parts.map(({ buffer }) => buffer as ArrayBuffer))];
}

/** Copies the parts, because a task may change the originals as soon as it was handed over. */
function copied({ json, parts }: TaggedBody): BinaryBody {
  return { flags: BodyFlag.TAGGED, json, parts: parts.map((part) => Buffer.from(part)) };
}

function bytesBody(value: Uint8Array): BinaryBody {
  const flags = Buffer.isBuffer(value) ? BodyFlag.BYTES | BodyFlag.BUFFER : BodyFlag.BYTES;
  return { flags, json: "", parts: [Buffer.from(value)] };
}

/** An error as a body: its class name, code, own properties, cause and stack. */
export function bodyOfError(thrown: unknown): Body {
  const error = thrownValue(thrown);
  try {
    return copied(encodeThrown(error, ERROR_LIMITS));
  } catch {
    return copied(encodeThrown(bareError(error), ERROR_LIMITS));
  }
}

/** Returns the same body in a form that can be sent once more, if it can be. */
export function kept(body: Body): Body {
  return body instanceof CloneBody && !body.isUnique
    ? new CloneBody(body.value, [], body.json)
    : body;
}

/** Adds the telemetry context to a body. */
export function withContext(body: Body, json: string): Body {
  if (typeof body === "string") return { flags: BodyFlag.JSON, json, parts: [Buffer.from(body)] };
  if (body instanceof CloneBody) return new CloneBody(body.value, body.transfer, json);
  if (body.flags !== BodyFlag.TAGGED) return { ...body, json };
  const flags = BodyFlag.TAGGED | BodyFlag.CONTEXT;
  return { flags, json: body.json, parts: [...body.parts, Buffer.from(json)] };
}

/** The telemetry context of a body, as JSON; empty when there is none. */
export function readContext(buffer: Buffer, start: number, end: number, flags: number): string {
  if (start === end || flags === 0 || flags === BodyFlag.TAGGED) return "";
  if ((flags & BodyFlag.CONTEXT) === 0) {
    const at = jsonStart(buffer, start);
    return buffer.toString("utf8", at, at + readU32(buffer, start + 4));
  }
  // The last part.
  const bytes = readU32(buffer, start + 4 + 4 * readU32(buffer, start));
  return buffer.toString("utf8", end - bytes, end);
}

/** The offset of the JSON of a body with parts: after the count and the lengths. */
function jsonStart(buffer: Buffer, start: number): number {
  return start + 8 + 4 * readU32(buffer, start);
}

/** Reads a value; the bytes may be reused afterwards. */
export function decodeBody(buffer: Buffer, start: number, end: number, flags: number): unknown {
  if (flags === 0)
    return start === end ? undefined : (JSON.parse(buffer.toString("utf8", start, end)) as unknown);
  if ((flags & (BodyFlag.BYTES | BodyFlag.JSON | BodyFlag.TEXTS)) === 0)
    return decode(buffer, start, end, true, VALUE_LIMITS);
  const at = jsonStart(buffer, start) + readU32(buffer, start + 4);
  if ((flags & BodyFlag.JSON) !== 0)
    return at === end ? undefined : (JSON.parse(buffer.toString("utf8", at, end)) as unknown);
  if ((flags & BodyFlag.TEXTS) !== 0) return readTexts(buffer, start, at);
  const bytes = ownBytes(buffer, at, end);
  return (flags & BodyFlag.BUFFER) !== 0
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** @param at - the offset of the first part */
function readTexts(buffer: Buffer, start: number, at: number): unknown {
  let end = at;
  const parts = Array.from({ length: readU32(buffer, start) }, (_, index) => {
    const begin = end;
    end += readU32(buffer, start + 8 + 4 * index);
    return buffer.subarray(begin, end);
  });
  const [rest = buffer, ...texts] = parts;
  return decodeTexts(rest, texts);
}

/** Reads a value that a message port carried. */
export function decodeCloned(carried: Carried | undefined): unknown {
  if (carried === undefined) return undefined;
  const { json, parts, handed, plain } = carried;
  if (plain !== undefined) return putTexts(plain);
  return decodeTagged(JSON.parse(json), {
    limits: VALUE_LIMITS,
    parts: parts.map((part) =>
      Buffer.from(part.buffer as ArrayBuffer, part.byteOffset, part.byteLength),
    ),
    ownsParts: true,
    handed,
  });
}

/** The approximate size of a value that a message port carries, in bytes; both ends find the same. */
export function carriedBytes({ json, parts, plain }: Carried): number {
  const texts = plain?.texts.reduce((sum, { length }) => sum + length, 0) ?? 0;
  return json.length + partBytes(parts) + texts;
}

/** Ends the ports and streams of a value that no reader takes. */
export function discardCarried({ handed }: Carried): void {
  for (const object of handed) if (isChannelEnd(object)) discard(object);
}

/** Ends the ports and streams of a body that is not sent. */
export function discardBody(body: Body): void {
  if (body instanceof CloneBody) discardCarried(body.value);
}

/**
 * Memory that values may be views of even when the read buffer is reused. A body of this size was
 * assembled in separate memory, and stays there unless it would keep much more memory alive than
 * its own size.
 */
function ownBytes(buffer: Buffer, start: number, end: number): Buffer {
  const bytes = buffer.subarray(start, end);
  if (bytes.length > READ_BYTES && bytes.length * 2 > buffer.buffer.byteLength) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

/** Reads the error of a FAILED, or of another body with an error. */
export function decodeError(buffer: Buffer, start: number, end: number, flags: number): Error {
  return thrownValue(decodeBody(buffer, start, end, flags));
}
