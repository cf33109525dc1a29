import { frameError } from "./frames.ts";

/** The most characters of another program's first bytes that an error shows. */
const FOREIGN_CHARACTERS = 40;

/**
 * The error of a peer whose first bytes are those of a text protocol; `undefined` for other bytes. A HELLO is
 * never long enough to look like text.
 */
export function anotherProgram(chunk: Buffer): Error | undefined {
  if (chunk.length < 4 || !chunk.subarray(0, 4).every((byte) => byte >= 0x20 && byte < 0x7f))
    return undefined;
  const [line = ""] = chunk.toString("latin1", 0, FOREIGN_CHARACTERS).split(/[\r\n]/);
  return frameError(`it began with ${JSON.stringify(line)}, so it is another program`);
}
