/** A message of the kernel: one JSON line, and the bytes that follow an output line. */
export interface Message {
  readonly id?: unknown;
  readonly ok?: unknown;
  readonly error?: unknown;
  readonly event?: unknown;
  readonly output?: unknown;
  readonly ended?: unknown;
  readonly done?: unknown;
  readonly taken?: unknown;
  readonly data?: Buffer;
}

const NEWLINE = 0x0a;
/** The prompt that the kernel prints after the greeting. */
const PROMPT_BYTES = 2;
/** A longer reply or output piece did not come from a newel kernel: 256 MiB. */
const LENGTH_LIMIT = 268_435_456;

/** Reads the kernel's bytes: the greeting, then messages. */
export class LineReader {
  readonly #onMessage: (message: Message) => void;
  #chunks: Buffer[] = [];
  #length = 0;
  /** The number of leading bytes in which no line end was found. */
  #searched = 0;
  #greeted = false;
  #awaited: { readonly message: Message; readonly bytes: number } | undefined;

  constructor(onMessage: (message: Message) => void) {
    this.#onMessage = onMessage;
  }

  /** Throws when the bytes are not messages of a kernel. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length > LENGTH_LIMIT) throw new RangeError("the message is too long");
    if (!this.#greeted && !this.#skipGreeting()) return;
    while (this.#step());
  }

  /** Reads one message, or the bytes of one; returns `false` when more bytes are needed. */
  #step(): boolean {
    if (this.#awaited !== undefined) {
      const { message, bytes } = this.#awaited;
      if (this.#length < bytes + 1) return false;
      const data = this.#take(bytes + 1).subarray(0, bytes);
      this.#awaited = undefined;
      this.#onMessage({ ...message, data });
      return true;
    }
    const end = this.#lineEnd();
    if (end === undefined) return false;
    const message = toMessage(JSON.parse(this.#take(end + 1).toString("utf8")));
    const bytes = bytesAfter(message);
    if (bytes === undefined) this.#onMessage(message);
    else this.#awaited = { message, bytes };
    return true;
  }

  #skipGreeting(): boolean {
    const end = this.#lineEnd();
    if (end === undefined || this.#length < end + 1 + PROMPT_BYTES) return false;
    this.#take(end + 1 + PROMPT_BYTES);
    this.#greeted = true;
    return true;
  }

  /** The end of the first line; only new bytes are searched. */
  #lineEnd(): number | undefined {
    let before = 0;
    for (const chunk of this.#chunks) {
      if (before + chunk.length > this.#searched) {
        const found = chunk.indexOf(NEWLINE, Math.max(0, this.#searched - before));
        if (found !== -1) return before + found;
      }
      before += chunk.length;
    }
    this.#searched = before;
    return undefined;
  }

  #take(bytes: number): Buffer {
    const [first] = this.#chunks;
    const all =
      this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
    const rest = all.subarray(bytes);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
    this.#searched = 0;
    return all.subarray(0, bytes);
  }
}

function toMessage(value: unknown): Message {
  if (typeof value === "object" && value !== null) return value;
  throw new TypeError("a message is not an object");
}

function bytesAfter({ output }: Message): number | undefined {
  if (typeof output !== "object" || output === null) return undefined;
  const bytes = "bytes" in output ? output.bytes : undefined;
  if (typeof bytes === "number" && Number.isInteger(bytes) && bytes >= 0 && bytes < LENGTH_LIMIT)
    return bytes;
  throw new TypeError("an output line without its length");
}
