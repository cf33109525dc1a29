import { closeSync, openSync, readSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";

import { systemCode } from "../base/errors.ts";
import { sleep } from "../base/timers.ts";

const POLL_MS = 50;
const PIECE_BYTES = 65_536;

/** Options of {@link followFile}. */
interface Following {
  /** The offset of the first byte to print. */
  readonly from: number;
  /** When it has settled and the rest was printed, the file is complete. */
  readonly until: Promise<unknown>;
  /** Ends it early. */
  readonly signal: AbortSignal;
  readonly print: (text: string) => void;
}

/** Prints whole lines of a growing file, which need not exist yet. */
export async function followFile(
  path: string,
  { from, until, signal, print }: Following,
): Promise<void> {
  const decoder = new StringDecoder("utf8");
  let isOver = false;
  const over = (): void => void (isOver = true);
  until.then(over, over);
  let offset = from;
  let partial = "";
  const readOn = (): void => {
    for (let piece = pieceAt(path, offset); piece.length > 0; piece = pieceAt(path, offset)) {
      offset += piece.length;
      partial += decoder.write(piece);
      const end = partial.lastIndexOf("\n") + 1;
      if (end > 0) print(partial.slice(0, end));
      partial = partial.slice(end);
    }
  };
  while (!signal.aborted) {
    // Read once more after the end.
    const isLast = isOver;
    readOn();
    if (isLast) break;
    await Promise.race([sleep(POLL_MS), until.then(over, over)]);
  }
  if (partial !== "" && !signal.aborted) print(partial);
}

/** The next bytes of a file; none at its end and when it does not exist. */
function pieceAt(path: string, offset: number): Buffer {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
  try {
    const buffer = Buffer.alloc(PIECE_BYTES);
    return buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, offset));
  } finally {
    closeSync(fd);
  }
}
