import { currentRun } from "./current.ts";

/** How many lines of stderr are kept of a run. */
const LINES = 20;
/** The longest line, in characters. */
const LINE_LIMIT = 500;

/** The last lines that each run of this process wrote to stderr, while it is executed. */
const lines = new Map<string, string[]>();

/** Keeps the last lines of stderr for the run that writes them; they are written to stderr too. */
export function keepLastLines(stream: NodeJS.WriteStream): void {
  const write = stream.write.bind(stream);
  stream.write = (chunk: string | Uint8Array, ...rest: never[]) => {
    const run = currentRun().getStore()?.run;
    if (run !== undefined) note(run, String(chunk));
    return write(chunk, ...rest);
  };
}

function note(run: string, text: string): void {
  const known = lines.get(run) ?? [];
  known.push(
    ...text
      .split("\n")
      .filter((line) => line !== "")
      .slice(-LINES)
      .map((line) => line.slice(0, LINE_LIMIT)),
  );
  lines.set(run, known.slice(-LINES));
}

/** The kept lines of a run. */
export function lastLines(run: string): readonly string[] {
  return lines.get(run) ?? [];
}

export function forgetLines(run: string): void {
  lines.delete(run);
}
