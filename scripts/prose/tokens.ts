/**
 * A tokenizer for JavaScript and TypeScript that is exact about comments, strings, templates and
 * regular expressions, and leaves everything else as words and single punctuation marks.
 */
export interface Token {
  readonly kind: "comment" | "string" | "template" | "regexp" | "word" | "punctuation";
  /** Source text; for strings and templates the text between the quotes, with `${…}` replaced by ¤. */
  text: string;
  /** Line of the first character, from 1. */
  readonly line: number;
  readonly column: number;
}

/** Stands for text that is not prose: code, a quotation, an interpolated value. */
export const OPAQUE = "¤";

/** After these words a slash begins a regular expression, not a division. */
const OPERATOR_WORDS = new Set(
  "return typeof case in of do else void delete throw new await yield instanceof".split(" "),
);
const WORD = /[\p{ID_Continue}$#@]+/uy;

export function tokenize(source: string): Token[] {
  return new Tokenizer(source).run();
}

class Tokenizer {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  #line = 1;
  #lineStart = 0;

  constructor(source: string) {
    this.#source = source;
  }

  run(): Token[] {
    if (this.#source.startsWith("#!")) this.#skipTo(this.#endOfLine());
    this.#code(false);
    return this.#tokens;
  }

  /** Reads code up to the end of the source, or up to the `}` that ends an interpolation. */
  #code(interpolated: boolean): void {
    let depth = 0;
    while (this.#at < this.#source.length) {
      const char = this.#source.charAt(this.#at);
      if (interpolated && char === "}" && depth === 0) return;
      if (char === "{") depth += 1;
      if (char === "}") depth -= 1;
      this.#token(char);
    }
  }

  #token(char: string): void {
    const two = this.#source.slice(this.#at, this.#at + 2);
    if (/\s/.test(char)) this.#skipTo(this.#at + 1);
    else if (two === "//") this.#push("comment", this.#endOfLine());
    else if (two === "/*") this.#push("comment", this.#after("*/", this.#at + 2));
    else if (char === '"' || char === "'") this.#string(char);
    else if (char === "`") this.#template();
    else if (char === "/" && this.#regexpMayBegin()) this.#push("regexp", this.#endOfRegexp());
    else this.#wordOrMark();
  }

  #wordOrMark(): void {
    WORD.lastIndex = this.#at;
    const word = WORD.exec(this.#source);
    if (word === null) this.#push("punctuation", this.#at + 1);
    else this.#push("word", this.#at + word[0].length);
  }

  #string(quote: string): void {
    let end = this.#at + 1;
    while (end < this.#source.length && this.#source[end] !== quote) {
      end += this.#source[end] === "\\" ? 2 : 1;
    }
    const token = this.#push("string", end + 1);
    token.text = token.text.slice(1, -1);
  }

  #template(): void {
    const token = this.#push("template", this.#at + 1);
    token.text = "";
    while (this.#at < this.#source.length) {
      const char = this.#source.charAt(this.#at);
      const length = char === "\\" ? 2 : 1;
      if (char === "`") {
        this.#skipTo(this.#at + 1);
        return;
      }
      if (this.#source.startsWith("${", this.#at)) {
        this.#skipTo(this.#at + 2);
        this.#code(true);
        this.#skipTo(this.#at + 1);
        token.text += OPAQUE;
      } else {
        token.text += this.#source.slice(this.#at, this.#at + length);
        this.#skipTo(this.#at + length);
      }
    }
  }

  #regexpMayBegin(): boolean {
    const last = this.#tokens.findLast((token) => token.kind !== "comment");
    if (last === undefined) return true;
    if (last.kind === "word") return OPERATOR_WORDS.has(last.text);
    return last.kind === "punctuation" && !")]}".includes(last.text);
  }

  #endOfRegexp(): number {
    let inClass = false;
    let end = this.#at + 1;
    for (; end < this.#source.length; end += 1) {
      const char = this.#source[end];
      if (char === "\n" || (char === "/" && !inClass)) break;
      if (char === "\\") end += 1;
      else if (char === "[") inClass = true;
      else if (char === "]") inClass = false;
    }
    return end + 1;
  }

  #endOfLine(): number {
    return this.#after("\n", this.#at, 0);
  }

  #after(text: string, from: number, length = text.length): number {
    const found = this.#source.indexOf(text, from);
    return found === -1 ? this.#source.length : found + length;
  }

  #push(kind: Token["kind"], end: number): Token {
    const text = this.#source.slice(this.#at, end);
    const token = { kind, text, line: this.#line, column: this.#at - this.#lineStart };
    this.#tokens.push(token);
    this.#skipTo(end);
    return token;
  }

  #skipTo(end: number): void {
    for (; this.#at < end; this.#at += 1) {
      if (this.#source[this.#at] !== "\n") continue;
      this.#line += 1;
      this.#lineStart = this.#at + 1;
    }
  }
}
