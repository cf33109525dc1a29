import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** A line over this number of characters comes in pieces, so that no output fills the memory. */
const MAX_LINE = 65_536;

/**
 * Reads a stream of text line by line; the last line may lack its end. A stream that fails ends
 * there.
 *
 * @returns a promise that resolves at its end
 */
export function readLines(stream: Readable, onLine: (line: string) => void): Promise<void> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  const take = (text: string): void => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) inPieces(line.endsWith("\r") ? line.slice(0, -1) : line, onLine);
    while (rest.length > MAX_LINE) {
      onLine(rest.slice(0, MAX_LINE));
      rest = rest.slice(MAX_LINE);
    }
  };
  return new Promise((resolve) => {
    let isOver = false;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      take(decoder.end());
      if (rest !== "") onLine(rest);
      resolve();
    };
    stream.on("data", (chunk: Buffer) => take(decoder.write(chunk)));
    // A failed read, like an end, means that no more output comes; the end of the worker says why.
    stream.once("error", over);
    stream.once("end", over);
    stream.once("close", over);
  });
}

function inPieces(line: string, onLine: (line: string) => void): void {
  for (let at = 0; at === 0 || at < line.length; at += MAX_LINE)
    onLine(line.slice(at, at + MAX_LINE));
}
