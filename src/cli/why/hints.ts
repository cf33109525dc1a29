/** A cause that the last lines of a process name. */
export type Hint =
  | { readonly kind: "port taken"; readonly port?: number }
  | { readonly kind: "disk full" }
  | { readonly kind: "missing file"; readonly path?: string }
  | { readonly kind: "heap" }
  | { readonly kind: "refused"; readonly address?: string }
  | { readonly kind: "rights"; readonly path?: string };

/**
 * Finds the cause in the last lines of output: the messages of Node.js, of the C library and of shells. The last
 * line that names a cause decides.
 */
export function hintOf(lines: readonly string[]): Hint | undefined {
  const hints = lines.flatMap((line) => hintOfLine(line) ?? []);
  const last = hints.at(-1);
  // Node.js repeats the code of an error below its message, without the details.
  return hints.findLast((hint) => hint.kind === last?.kind && hasDetail(hint)) ?? last;
}

function hasDetail(hint: Hint): boolean {
  return Object.keys(hint).length > 1;
}

function hintOfLine(line: string): Hint | undefined {
  if (/\bEADDRINUSE\b|address already in use/i.test(line)) {
    const port = /:(\d{1,5})\b(?!.*:\d)/.exec(line)?.[1];
    return { kind: "port taken", ...(port === undefined ? {} : { port: Number(port) }) };
  }
  if (/\bENOSPC\b|no space left on device|disk quota exceeded|\bEDQUOT\b/i.test(line))
    return { kind: "disk full" };
  if (/JavaScript heap out of memory/.test(line)) return { kind: "heap" };
  const module = /Cannot find (?:module|package) '([^']+)'/.exec(line);
  if (module !== null) return withPath("missing file", module[1]);
  const absent = /\bENOENT\b.*?'([^']+)'/.exec(line);
  if (absent !== null) return withPath("missing file", absent[1]);
  const unknown =
    /(?:^|: )([^\s:]+): (?:command )?not found\b/.exec(line) ??
    /(?:can't open|cannot open|cannot access) '?([^':]+)'?: No such file/i.exec(line);
  if (unknown !== null) return withPath("missing file", unknown[1]);
  const refused = /\bECONNREFUSED\b\s*(\S*:\d+)?/.exec(line);
  if (refused !== null) {
    const address = refused[1];
    return { kind: "refused", ...(address === undefined ? {} : { address }) };
  }
  const denied = /\b(?:EACCES|EPERM)\b.*?'([^']+)'/.exec(line);
  if (denied !== null) return withPath("rights", denied[1]);
  return undefined;
}

function withPath<Kind extends "missing file" | "rights">(
  kind: Kind,
  path: string | undefined,
): { readonly kind: Kind; readonly path?: string } {
  return { kind, ...(path === undefined ? {} : { path }) };
}
