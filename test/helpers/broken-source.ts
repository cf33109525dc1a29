import { readFileSync, writeFileSync } from "node:fs";

/** A mistake that could be made in a source file, as an edit of its text. */
export interface SourceEdit {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/**
 * Makes a mistake in a copy of a source file. An edit whose text is missing, or is there more than
 * once, throws: the variant would be another one, or none.
 */
export function breakSource({ name, from, to }: SourceEdit, file: string): void {
  const source = readFileSync(file, "utf8");
  if (source.split(from).length !== 2)
    throw new Error(`"${name}" does not fit ${file}: its text is not there once`);
  writeFileSync(
    file,
    source.replace(from, () => to),
  );
}
