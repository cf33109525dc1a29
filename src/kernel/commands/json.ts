import { newelError } from "../../base/errors.ts";
import { closest } from "../../base/names.ts";
import { title, type Command } from "./command.ts";
import { wireKey } from "./wire-key.ts";
import { refuse } from "./kinds.ts";
import { commandNamed } from "./resolve.ts";
import { WORDS_LIMIT, type Request } from "./text.ts";

export type RequestId = string | number;

/** The nesting limit of a request: newel's deepest request has three levels. */
const DEPTH_LIMIT = 16;
const ID_LIMIT = 200;

/** A line as JSON before its command is read: the facts needed to answer it with its id. */
export interface Envelope {
  readonly id: RequestId;
  readonly do: string;
  readonly rest: ReadonlyMap<string, unknown>;
}

/** The error of a line whose id could (or could not) be read. */
export class EnvelopeError extends Error {
  readonly id: RequestId | null;

  constructor(id: RequestId | null, cause: Error) {
    super(cause.message, { cause });
    this.id = id;
  }
}

/** Reads the id and the name of the command from a JSON line. Throws an {@link EnvelopeError}. */
export function parseEnvelope(line: string): Envelope {
  const value = parsed(line);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new EnvelopeError(null, refuse("it is not a JSON object"));
  const rest = new Map<string, unknown>(Object.entries(value));
  const id = rest.get("id");
  if (!isRequestId(id))
    throw new EnvelopeError(
      null,
      refuse(`id must be a number or a text of at most ${ID_LIMIT} characters`),
    );
  const name = rest.get("do");
  if (typeof name !== "string")
    throw new EnvelopeError(id, refuse("do must be a text, the words of a command"));
  rest.delete("id");
  rest.delete("do");
  return { id, do: name, rest };
}

function parsed(line: string): unknown {
  if (tooDeep(line))
    throw new EnvelopeError(
      null,
      newelError("NEWEL_E_LIMIT", { what: "a request", limit: DEPTH_LIMIT, unit: "levels deep" }),
    );
  try {
    return JSON.parse(line);
  } catch (error) {
    const why = error instanceof Error ? error.message.slice(0, 200) : "no reason given";
    throw new EnvelopeError(null, refuse(`it is not JSON: ${why}`));
  }
}

/**
 * Checked first, because JSON.parse makes an object for each bracket: a line of brackets would take a hundred
 * times its size.
 */
function tooDeep(line: string): boolean {
  let depth = 0;
  let inText = false;
  for (let index = 0; index < line.length; index += 1) {
    const code = line.charCodeAt(index);
    if (inText) {
      if (code === BACKSLASH) index += 1;
      else if (code === QUOTE) inText = false;
    } else if (code === QUOTE) inText = true;
    else if (code === OPEN_BRACKET || code === OPEN_BRACE) {
      depth += 1;
      if (depth > DEPTH_LIMIT) return true;
    } else if (code === CLOSE_BRACKET || code === CLOSE_BRACE) depth -= 1;
  }
  return false;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

function isRequestId(value: unknown): value is RequestId {
  return (
    (typeof value === "number" && Number.isFinite(value)) ||
    (typeof value === "string" && value.length <= ID_LIMIT)
  );
}

/**
 * Reads the command of a JSON request and its fields.
 *
 * @throws NEWEL_E_COMMAND for an unknown command, NEWEL_E_BAD_REQUEST naming a key
 */
export function parseRequest(commands: readonly Command[], envelope: Envelope): Request {
  const command = commandNamed(commands, envelope.do);
  if (command === undefined) throw unknownName(commands, envelope.do);
  const input: Record<string, unknown> = {};
  const left = new Map(envelope.rest);
  for (const [key, field] of Object.entries(command.fields)) {
    const name = wireKey(key);
    if (left.has(name)) {
      const value = left.get(name);
      if (Array.isArray(value) && value.length > WORDS_LIMIT)
        throw newelError("NEWEL_E_LIMIT", { what: name, limit: WORDS_LIMIT, unit: "entries" });
      input[key] = field.kind.fromJson(value, name);
      left.delete(name);
    }
    const given = input[key];
    const empty = given === undefined || (Array.isArray(given) && given.length === 0);
    if (field.required && empty) throw refuse(`${title(command)} wants ${name}: ${field.about}`);
  }
  const [unknown] = left.keys();
  if (unknown === undefined) return { command, input };
  const known = Object.keys(command.fields).map(wireKey);
  throw refuse(
    `${title(command)} has no key ${JSON.stringify(unknown.slice(0, 60))}; it has ${known.join(", ")}`,
  );
}

function unknownName(commands: readonly Command[], name: string): Error {
  const near = closest(name.slice(0, 60), commands.map(title));
  const hint = near === undefined ? "" : `; did you mean "${near}"?`;
  return newelError("NEWEL_E_COMMAND", {
    what: `Unknown command ${JSON.stringify(name.slice(0, 60))}${hint}`,
  });
}
