import { StringDecoder } from "node:string_decoder";

import { hasCode, revive } from "../../base/errors.ts";
import type { OutputChunk, OutputPosition, ProcessInfo, StreamName } from "../process-api.ts";
import type { OutputEnd, WatchOptions } from "../client-api.ts";
import type { Target } from "./autostart.ts";
import type { Message } from "./line-reader.ts";
import { follow } from "./stream.ts";

type OutputHead = Omit<OutputChunk, "data">;

/**
 * Yields the output of a process from a position on, then its end; continues at the same place after a lost
 * connection.
 */
export async function* watchOutput(
  target: Target,
  name: string,
  options: WatchOptions = {},
): AsyncGenerator<OutputChunk | OutputEnd, void> {
  const { follow: following = true, signal } = options;
  let position: OutputPosition = { out: options.from?.out ?? 0, err: options.from?.err ?? 0 };
  let pid: number | undefined;
  let replaced = false;
  const messages = follow(target, {
    signal,
    request: () => ({
      do: "watch processes",
      names: [name],
      from: position,
      follow: following,
      archived: true,
    }),
    opened: (answer) => {
      const { watching } = answer as { watching: readonly { readonly pid: number }[] };
      const now = watching[0]?.pid;
      replaced = pid !== undefined && now !== pid;
      pid ??= now;
      return !replaced;
    },
  });
  try {
    for await (const message of messages) {
      const piece = toPiece(message);
      if (piece === "done") return;
      if ("ended" in piece) {
        if (following) yield piece;
        return;
      }
      position = { ...position, [piece.stream]: piece.offset + piece.data.length };
      yield piece;
    }
  } catch (error) {
    // The process left the list while the connection was lost; its exit code is unknown.
    if (pid === undefined || !hasCode(error, "NEWEL_E_NOT_FOUND")) throw error;
    replaced = true;
  }
  if (replaced && following) yield { ended: true, exitCode: null };
}

function toPiece(message: Message): OutputChunk | OutputEnd | "done" {
  const { output, ended, data, error } = message;
  if (typeof error === "object" && error !== null) throw revive(error);
  if (output !== undefined && data !== undefined) {
    return { ...(output as OutputHead), data };
  }
  if (ended !== undefined)
    return { ended: true, exitCode: (ended as { exitCode: number | null }).exitCode };
  return "done";
}

/** How many bytes at the end are searched for lines first. */
const TAIL_BYTES = 65_536;
/**
 * Output of both streams within this time counts as simultaneous, because its order is unknown; milliseconds.
 */
const MOMENT_MS = 50;

interface Line {
  readonly stream: StreamName;
  readonly timeMs: number;
  readonly text: string;
}

/**
 * The last lines of both streams, in the order in which the kernel saw them end. In the last {@link
 * MOMENT_MS} stderr comes after stdout, so that earlier output never displaces the reason for the end of a
 * process.
 */
export async function tailLines(
  target: Target,
  process: ProcessInfo,
  count: number,
): Promise<string[]> {
  const ranges = process.output;
  for (let bytes = TAIL_BYTES; ; bytes *= 8) {
    const from = { out: 0, err: 0 };
    let whole = true;
    for (const stream of ["out", "err"] as const) {
      const { start, end } = ranges[stream] ?? { start: 0, end: 0 };
      from[stream] = Math.max(start, end - bytes);
      if (from[stream] > start) whole = false;
    }
    const lines = await readLines(target, process, from);
    if (whole || lines.length >= count)
      return count === 0
        ? []
        : lastMomentSorted(lines)
            .slice(-count)
            .map(({ text }) => text);
  }
}

function lastMomentSorted(lines: readonly Line[]): readonly Line[] {
  const since = (lines.at(-1)?.timeMs ?? 0) - MOMENT_MS;
  const first = lines.findLastIndex(({ timeMs }) => timeMs < since) + 1;
  const last = lines.slice(first);
  const of = (stream: StreamName): Line[] => last.filter((line) => line.stream === stream);
  return [...lines.slice(0, first), ...of("out"), ...of("err")];
}

async function readLines(
  target: Target,
  { name, output }: ProcessInfo,
  from: OutputPosition,
): Promise<Line[]> {
  const lines: Line[] = [];
  let lastMs = 0;
  const decoders = { out: new StringDecoder("utf8"), err: new StringDecoder("utf8") };
  const pending: Record<StreamName, string> = { out: "", err: "" };
  /** A chunk that begins within a line: the rest of that line is not a line. */
  const torn = {
    out: from.out > (output.out?.start ?? 0),
    err: from.err > (output.err?.start ?? 0),
  };
  for await (const piece of watchOutput(target, name, { from, follow: false })) {
    if ("ended" in piece) continue;
    const { stream, data, timeMs } = piece;
    lastMs = timeMs;
    const parts = (pending[stream] + decoders[stream].write(data)).split("\n");
    pending[stream] = parts.pop() ?? "";
    if (torn[stream] && parts.length > 0) {
      parts.shift();
      torn[stream] = false;
    }
    for (const text of parts) lines.push({ stream, timeMs, text });
  }
  for (const stream of ["out", "err"] as const)
    if (pending[stream] !== "" && !torn[stream])
      lines.push({ stream, timeMs: lastMs, text: pending[stream] });
  return lines;
}
