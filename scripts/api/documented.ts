/** Declarations of a `.d.ts` file with their TSDoc, and the members of classes and interfaces with theirs. */

export interface Documented {
  readonly name: string;
  readonly kind: "class" | "function" | "interface" | "type" | "constant" | "namespace";
  /** Content of the doc comment; empty without one. */
  readonly doc: string;
  /** Source text without comments, `export` and `declare`. */
  readonly text: string;
  /** Members of a class or an interface; private ones and constructors are left out. */
  readonly members: readonly Member[];
}

export interface Member {
  readonly name: string;
  readonly doc: string;
  readonly text: string;
}

const NAMED =
  /^(?:abstract )?(class|interface|namespace|enum|type|function|const enum|const|let|var) ([\w$]+)/;
const BLOCK = /^(?:abstract )?(?:class|interface|namespace|module|enum|global)\b/;
const KINDS: Readonly<Record<string, Documented["kind"]>> = {
  class: "class",
  function: "function",
  interface: "interface",
  namespace: "namespace",
  type: "type",
};

/** The declarations of a file by name; a name may have several, such as overloads. */
export function readDocumented(source: string): Map<string, Documented[]> {
  const found = new Map<string, Documented[]>();
  for (const { doc, text: statement } of piecesOf(source, BLOCK)) {
    const text = statement.replace(/^export (?:default )?/, "").replace(/^declare /, "");
    const [, word = "", name] = NAMED.exec(text) ?? [];
    if (name === undefined) continue;
    const kind = KINDS[word] ?? "constant";
    const members = kind === "class" || kind === "interface" ? membersOf(text) : [];
    const declaration = { name, kind, doc, text: withoutComments(text), members };
    found.set(name, [...(found.get(name) ?? []), declaration]);
  }
  return found;
}

function membersOf(text: string): Member[] {
  const start = bodyStart(text);
  const body = text.slice(start + 1, text.lastIndexOf("}"));
  return piecesOf(body, /^$/).flatMap(({ doc, text: piece }) => {
    const plain = withoutComments(piece).replace(/;$/, "");
    const words = plain.replace(
      /^(?:(?:static|readonly|abstract|get|set|override|public|async) )+/,
      "",
    );
    if (/^(?:#|private |protected |constructor\b|static #)/.test(words)) return [];
    const name = /^\[[^\]]+\]|^[\w$]+|^"[^"]+"/.exec(words)?.[0];
    return name === undefined ? [] : [{ name, doc, text: plain }];
  });
}

/** Index of the brace that opens the body, else -1: type arguments before it may have braces too. */
export function bodyStart(text: string): number {
  let angle = 0;
  for (let at = 0; at < text.length; at = next(text, at)) {
    const char = text.charAt(at);
    if (char === "<") angle += 1;
    if (char === ">" && text.charAt(at - 1) !== "=") angle -= 1;
    if (char === "{" && angle === 0) return at;
  }
  return -1;
}

/** Statements with the doc comment before each. */
function piecesOf(source: string, block: RegExp): { doc: string; text: string }[] {
  const pieces: { doc: string; text: string }[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < source.length; at = next(source, at)) {
    const char = source.charAt(at);
    if ("({[".includes(char)) depth += 1;
    if (")}]".includes(char)) depth -= 1;
    if (depth !== 0 || (char !== ";" && char !== "}")) continue;
    const { doc, text } = split(source.slice(start, at + 1));
    const plain = text.replace(/^export (?:default )?/, "").replace(/^declare /, "");
    if (char === "}" && (!block.test(plain) || bodyStart(plain) === -1)) continue;
    if (text !== ";") pieces.push({ doc, text });
    start = at + 1;
  }
  return pieces;
}

/** Leading comments and the rest. */
function split(piece: string): { doc: string; text: string } {
  let rest = piece.trimStart();
  let doc = "";
  for (;;) {
    const comment = /^(?:\/\*[^]*?\*\/|\/\/.*\n)\s*/.exec(rest)?.[0];
    if (comment === undefined) return { doc, text: rest };
    if (comment.startsWith("/**")) doc = contentOf(comment);
    rest = rest.slice(comment.length);
  }
}

function contentOf(comment: string): string {
  const body = comment.trim().slice(3, -2);
  return body
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, ""))
    .join("\n")
    .trim();
}

/** Index after the character at `at`, or after the comment or text that begins there. */
function next(source: string, at: number): number {
  const two = source.slice(at, at + 2);
  if (two === "/*") return source.indexOf("*/", at + 2) + 2;
  if (two === "//") return source.indexOf("\n", at);
  const quote = source.charAt(at);
  if (!`"'\``.includes(quote)) return at + 1;
  let end = at + 1;
  while (end < source.length && source.charAt(end) !== quote)
    end += source.charAt(end) === "\\" ? 2 : 1;
  return end + 1;
}

function withoutComments(source: string): string {
  let text = "";
  for (let at = 0; at < source.length;) {
    const end = next(source, at);
    if (!/^\/[*/]/.test(source.slice(at, at + 2))) text += source.slice(at, end);
    at = end;
  }
  return text
    .replaceAll(/[ \t]+$/gm, "")
    .replaceAll(/\n{2,}/g, "\n")
    .trim();
}
