/**
 * A wish that a run be cancelled is a job of this queue, in the same store: it holds whether a server
 * runs or not. The server that has ended the run takes it away.
 */
export const WISH_QUEUE = "newel-cancel";

/** The id of the wish for a run: there is one at most. */
export function wishId(run: string): string {
  return Buffer.from(run).toString("base64url");
}

/** The run that a wish is about: its data is `{ run }`. */
export function wishedRun(data: unknown): string | undefined {
  if (typeof data !== "object" || data === null || !("run" in data)) return undefined;
  return typeof data.run === "string" ? data.run : undefined;
}

/** The run that a wish of this id is for. */
export function runOfWish(id: string): string {
  return Buffer.from(id, "base64url").toString();
}
