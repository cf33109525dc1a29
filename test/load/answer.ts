/** One HTTP/1.1 answer, as far as a load client needs it. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The most bytes an answer may have; the apps answer a few dozen. */
const ANSWER_BYTES = 1_000_000;

/**
 * Reads answers from the bytes of one connection. No HTTP library: a library may retry, pool or
 * repair, and the load client must see what a server really did.
 */
export class AnswerReader {
  #bytes = Buffer.alloc(0);

  /** Whether bytes of an unfinished answer have come. */
  get isPartial(): boolean {
    return this.#bytes.length > 0;
  }

  /**
   * Adds bytes; returns a response when one is complete. Throws on bytes that are no HTTP/1.1
   * response.
   */
  push(chunk: Buffer): Answer | undefined {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.#bytes.length > ANSWER_BYTES) throw new Error("the answer is too long");
    const headEnd = this.#bytes.indexOf("\r\n\r\n");
    if (headEnd < 0) return undefined;
    const [statusLine = "", ...lines] = this.#bytes.toString("latin1", 0, headEnd).split("\r\n");
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1];
    if (status === undefined) throw new Error(`no status line: ${JSON.stringify(statusLine)}`);
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const body = this.#body(headEnd + 4, headers);
    if (body === undefined) return undefined;
    this.#bytes = this.#bytes.subarray(body.end);
    return { status: Number(status), headers, body: body.text };
  }

  #body(
    start: number,
    headers: Readonly<Record<string, string>>,
  ): { text: string; end: number } | undefined {
    if (headers["transfer-encoding"]?.toLowerCase() === "chunked") return this.#chunks(start);
    const length = Number(headers["content-length"]);
    if (!Number.isInteger(length)) throw new Error("the answer has no length");
    const end = start + length;
    return this.#bytes.length < end
      ? undefined
      : { text: this.#bytes.toString("utf8", start, end), end };
  }

  #chunks(start: number): { text: string; end: number } | undefined {
    const parts: Buffer[] = [];
    for (let at = start; ;) {
      const lineEnd = this.#bytes.indexOf("\r\n", at);
      if (lineEnd < 0) return undefined;
      const size = Number.parseInt(this.#bytes.toString("latin1", at, lineEnd), 16);
      if (Number.isNaN(size)) throw new Error("a chunk has no size");
      const end = lineEnd + 2 + size;
      if (this.#bytes.length < end + 2) return undefined;
      if (size === 0) return { text: Buffer.concat(parts).toString("utf8"), end: end + 2 };
      parts.push(this.#bytes.subarray(lineEnd + 2, end));
      at = end + 2;
    }
  }
}
