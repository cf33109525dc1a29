// Takes the sentences out of source files and Markdown pages, with the line each one begins on.
import { OPAQUE, type Token, tokenize } from "./tokens.ts";

export type Kind = "comments" | "test comments" | "titles" | "docs" | "errors";
type Role = "heading" | "text";

export interface Sentence {
  readonly kind: Kind;
  readonly file: string;
  readonly line: number;
  /** Number of lines it stands on. */
  readonly lines: number;
  /** Text as written, with single spaces. */
  readonly text: string;
  /** The same text with code, quotations and links replaced by ¤; as long as `text`. */
  readonly prose: string;
  readonly role: Role;
  /** True for the first sentence of a comment. */
  readonly opens: boolean;
}

interface Piece {
  readonly text: string;
  readonly line: number;
}
type Place = Pick<Sentence, "kind" | "file" | "role">;

const TEST_FUNCTIONS = new Set(["test", "it", "describe", "suite"]);
const DIRECTIVE = /^(?:oxlint|eslint|@ts-|prettier|biome|knip|c8 |v8 |#region|<reference|\/)/;
/** A string with fewer words is a name, a key or a label, not a sentence. */
const MIN_WORDS = 4;
const STATEMENT =
  /^\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE|WITH|PRAGMA|ALTER|DROP|BEGIN|REPLACE|EXPLAIN|FROM|WHERE|AND|SET|ORDER|UNION)\b/;

export function sentencesOfSource(file: string, source: string): Sentence[] {
  const tokens = tokenize(source);
  const inTest = file.startsWith("test/");
  const kind =
    file.startsWith("src/") || file.startsWith("scripts/") ? "comments" : "test comments";
  const sentences = commentsOf(tokens).flatMap((pieces) =>
    ofBlock(pieces, { kind, file, role: "text" }),
  );
  const code = tokens.filter(({ kind: of }) => of !== "comment");
  if (inTest) sentences.push(...titlesOf(code, file));
  if (file.startsWith("src/")) sentences.push(...stringsOf(code, file));
  return sentences;
}

/** Comments as lists of lines; `//` comments on neighbouring lines at the same column are one. */
function commentsOf(tokens: readonly Token[]): Piece[][] {
  const blocks: Piece[][] = [];
  let last: Token | undefined;
  for (const token of tokens) {
    if (token.kind !== "comment") {
      last = undefined;
      continue;
    }
    const isLine = token.text.startsWith("//");
    const pieces = isLine
      ? [{ text: token.text.slice(2).replace(/^ /, ""), line: token.line }]
      : linesOfBlock(token);
    if (DIRECTIVE.test(pieces[0]?.text.trim() ?? "")) continue;
    const goesOn = isLine && last?.line === token.line - 1 && last.column === token.column;
    if (goesOn) blocks.at(-1)?.push(...pieces);
    else blocks.push(pieces);
    last = isLine ? token : undefined;
  }
  return blocks;
}

function linesOfBlock({ text, line }: Token): Piece[] {
  const body = text.replace(/^\/\*+/, "").replace(/\*+\/$/, "");
  return body.split("\n").map((row, index) => ({
    text: row.replace(/^\s*\* ?/, "").replace(index === 0 ? /^ / : /^/, ""),
    line: line + index,
  }));
}

/** The first argument of `test("…")`, `t.test("…")`, `describe.skip("…")` and the like. */
function titlesOf(code: readonly Token[], file: string): Sentence[] {
  return code.flatMap((token, index) => {
    if (token.kind !== "word" || !TEST_FUNCTIONS.has(token.text)) return [];
    let next = index + 1;
    while (code[next]?.text === "." && code[next + 1]?.kind === "word") next += 2;
    const title = code[next + 1];
    const isTitle = title?.kind === "string" || title?.kind === "template";
    if (code[next]?.text !== "(" || !isTitle) return [];
    const piece = { text: unescaped(title.text), line: title.line };
    return ofParagraph([piece], { kind: "titles", file, role: "text" }, false);
  });
}

/** Strings that read as prose: error texts, help, log lines. */
function stringsOf(code: readonly Token[], file: string): Sentence[] {
  return joined(code).flatMap(({ text, line }) => {
    const words = text.match(/(?<![\w.{<-])[A-Za-z][a-z']*(?![\w}>(=])/g) ?? [];
    const isProse = words.length >= MIN_WORDS && /[a-z]{2} [a-z]/.test(text);
    if (!isProse || STATEMENT.test(text) || /[;{]\s*\n|=>|\bconst\b/.test(text)) return [];
    return ofParagraph(
      [{ text: unescaped(text), line }],
      { kind: "errors", file, role: "text" },
      false,
    );
  });
}

/** Strings and templates, those joined by `+` as one. */
function joined(code: readonly Token[]): Piece[] {
  const texts: { text: string; line: number }[] = [];
  for (const [index, token] of code.entries()) {
    if (token.kind !== "string" && token.kind !== "template") continue;
    const before = code[index - 2];
    const isJoined =
      code[index - 1]?.text === "+" && (before?.kind === "string" || before?.kind === "template");
    const last = texts.at(-1);
    if (isJoined && last !== undefined) last.text += token.text;
    else texts.push({ text: token.text, line: token.line });
  }
  return texts;
}

function unescaped(text: string): string {
  return text.replace(/\\[nrt]/g, " ").replace(/\\(.)/gs, "$1");
}

export function sentencesOfPage(file: string, source: string): Sentence[] {
  const sentences: Sentence[] = [];
  let fence: string | undefined;
  let block: Piece[] = [];
  const flush = (): void => {
    sentences.push(...ofBlock(block, { kind: "docs", file, role: "text" }));
    block = [];
  };
  for (const [index, text] of source.split("\n").entries()) {
    const mark = /^\s*(```+|~~~+)/.exec(text)?.[1];
    if (mark !== undefined && (fence === undefined || mark === fence)) {
      flush();
      fence = fence === undefined ? mark : undefined;
    } else if (fence === undefined && /^#+ /.test(text)) {
      flush();
      const piece = { text: text.replace(/^#+ /, ""), line: index + 1 };
      sentences.push(...ofParagraph([piece], { kind: "docs", file, role: "heading" }, false));
    } else if (fence === undefined) {
      block.push({ text, line: index + 1 });
    }
  }
  flush();
  return sentences;
}

/** Splits a comment or page text into paragraphs, list items, table cells and tags. */
function ofBlock(lines: readonly Piece[], place: Place): Sentence[] {
  const paragraphs: Piece[][] = [[]];
  let fenced = false;
  let isExample = false;
  for (const { text, line } of lines) {
    const trimmed = text.trim();
    if (trimmed.startsWith("```")) fenced = !fenced;
    if (trimmed.startsWith("@")) isExample = trimmed.startsWith("@example");
    const isDrawing = /^ {4,}\S/.test(text) && (paragraphs.at(-1)?.length ?? 0) === 0;
    if (trimmed === "" || fenced || isExample || trimmed.startsWith("```") || isDrawing) {
      paragraphs.push([]);
    } else if (trimmed.startsWith("|")) {
      paragraphs.push(...cellsOf(trimmed).map((cell) => [{ text: cell, line }]), []);
    } else {
      const item = /^(?:[-*+•] |\d+[.)] |> |@\w+ (?:[\w.]+ -{1,2} )?)/.exec(trimmed)?.[0] ?? "";
      if (item !== "") paragraphs.push([]);
      paragraphs.at(-1)?.push({ text: trimmed.slice(item.length), line });
    }
  }
  const filled = paragraphs.filter((pieces) => pieces.length > 0);
  return filled.flatMap((pieces, index) =>
    ofParagraph(pieces, place, index === 0 && place.kind !== "docs"),
  );
}

function cellsOf(row: string): string[] {
  if (/^[|\s:-]+$/.test(row)) return [];
  return row.replaceAll("\\|", "/").split("|").slice(1, -1);
}

function ofParagraph(pieces: readonly Piece[], place: Place, opens: boolean): Sentence[] {
  const text = pieces.map((piece) => piece.text.trim()).join(" ");
  const prose = masked(text);
  const sentences: Sentence[] = [];
  for (const { index, 0: found } of prose.matchAll(
    /\S.*?(?:(?<!\b(?:e\.g|i\.e|vs|etc|cf))[.!?][)"'*]*(?=\s+["'(*]*[A-Z¤])|$)/gs,
  )) {
    const words = found.match(/\b(?:[A-Za-z]*[a-z][A-Za-z]*|A)\b|¤+/g) ?? [];
    if (words.length < (place.kind === "titles" ? 1 : 2)) continue;
    const line = lineAt(pieces, index);
    sentences.push({
      ...place,
      line,
      lines: lineAt(pieces, index + found.length - 1) - line + 1,
      text: text.slice(index, index + found.length),
      prose: found,
      opens: opens && sentences.length === 0,
    });
  }
  return sentences;
}

/** Replaces code, quotations, link targets and placeholders by as many ¤. */
function masked(text: string): string {
  const hide = (found: string): string => OPAQUE.repeat(found.length);
  return text
    .replace(/`[^`]*`/g, hide)
    .replace(/\{@link [^}]*\}/g, hide)
    .replace(/\]\([^)]*\)/g, (found) => `]${hide(found.slice(1))}`)
    .replace(/<[^<>\s][^<>]*>|https?:\S+/g, hide)
    .replace(/"[^"]*"|“[^”]*”/g, hide)
    .replace(/\{[\w.]+\}/g, hide)
    .replace(/\b[a-z]\w*(?:[A-Z]\w*|\(\))|\b\w+(?:\.\w+)+\b/g, hide);
}

function lineAt(pieces: readonly Piece[], offset: number): number {
  let end = 0;
  for (const { text, line } of pieces) {
    end += text.trim().length + 1;
    if (offset < end) return line;
  }
  return pieces.at(-1)?.line ?? 1;
}
