import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";

import * as v from "valibot";

import { systemCode } from "../base/errors.ts";
import { type Layout, undoPath } from "./layout.ts";

/** The state before a deploy, kept on disk until the deploy has ended: another process can undo it. */
export interface UndoNote {
  /** The value of the kernel with the app of before; `null` when the app was not up. */
  readonly before: string | null;
  /** The environment of the deploy, for `migrateDown`. */
  readonly environment: Readonly<Record<string, string>>;
}

const noteSchema = v.object({
  before: v.nullable(v.string()),
  environment: v.record(v.string(), v.string()),
});

/** Writes the note of a release, readable by the user alone; a crash leaves either the old or the new one. */
export function writeUndoNote(layout: Layout, number: number, note: UndoNote): void {
  writeWhole(undoPath(layout, number), JSON.stringify(note));
}

/** The note of a release; `undefined` when there is none that can be read. */
export function readUndoNote(layout: Layout, number: number): UndoNote | undefined {
  try {
    const parsed = v.safeParse(
      noteSchema,
      JSON.parse(readFileSync(undoPath(layout, number), "utf8")),
    );
    return parsed.success ? parsed.output : undefined;
  } catch (error) {
    if (systemCode(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Removes the note of a release whose deploy has ended. */
export function removeUndoNote(layout: Layout, number: number): void {
  rmSync(undoPath(layout, number), { force: true });
}

/** Replaces a private file so that a crash leaves either the old or the new text. */
export function writeWhole(path: string, text: string): void {
  const temporary = `${path}.new`;
  const fd = openSync(temporary, "w", 0o600);
  try {
    for (let rest = Buffer.from(text); rest.length > 0;) rest = rest.subarray(writeSync(fd, rest));
    fsyncSync(fd);
  } catch (error) {
    // On a full disk an incomplete file only takes space.
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}
