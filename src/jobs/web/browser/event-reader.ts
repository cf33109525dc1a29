/** One event of an event stream, or the `retry` of the server as `retryMs`. */
export interface ServerEvent {
  readonly event: string;
  readonly data: string;
  readonly id: string;
  readonly retryMs?: number;
}

/**
 * Reads the events of a response, as `EventSource` does. `EventSource` itself reports neither the
 * status of a response nor that no more bytes arrive.
 *
 * @param onBytes - called with each received chunk, also with heartbeats and comments
 */
export async function readEvents(
  body: ReadableStream<Uint8Array>,
  onBytes: () => void,
  onEvent: (event: ServerEvent) => void,
): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onBytes();
    text += decoder.decode(value, { stream: true });
    const blocks = text.replaceAll(/\r\n?/g, "\n").split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) onEvent(parse(block));
  }
}

function parse(block: string): ServerEvent {
  const fields: Record<string, string> = {};
  for (const line of block.split("\n")) {
    // With `s`, because a line may have U+2028, which is a line break for a regular expression alone.
    const [, name = "", value = ""] = /^(\w+): ?(.*)$/s.exec(line) ?? [];
    fields[name] = name in fields ? `${fields[name]}\n${value}` : value;
  }
  const { event = "message", data = "", id = "", retry } = fields;
  return { event, data, id, ...(retry === undefined ? {} : { retryMs: Number(retry) }) };
}
