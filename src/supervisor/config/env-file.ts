/** The variables of a .env file, or its lines that cannot be read. A problem contains no value. */
interface EnvFile {
  readonly variables: Readonly<Record<string, string>>;
  readonly problems: readonly { readonly line: number; readonly message: string }[];
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const QUOTES = new Set(["'", '"', "`"]);

/** Whether a word can name a variable of an environment. */
export function isVariableName(word: string): boolean {
  return NAME.test(word);
}

/**
 * Reads a .env file as `node --env-file` does (quotes of three kinds, which may span lines; `\n` in
 * double quotes; `#` begins a comment; `export` before a name; no variables inside values), but says
 * what it cannot read instead of passing over it.
 */
export function parseEnvFile(source: string): EnvFile {
  const text = source.replace(/^\uFEFF/, "").replaceAll(/\r\n?/g, "\n");
  const variables = new Map<string, string>();
  const problems: { line: number; message: string }[] = [];
  let position = 0;
  let line = 1;
  while (position < text.length) {
    const end = endOf(text, position);
    const first = text.slice(position, end);
    const assigned = first.indexOf("=");
    const trimmed = first.trim();
    let next = end + 1;
    if (trimmed !== "" && !trimmed.startsWith("#")) {
      const name = first
        .slice(0, assigned === -1 ? 0 : assigned)
        .replace(/^\s*export\s+/, "")
        .trim();
      const value = readValue(text, position + assigned + 1);
      if (assigned === -1 || !isVariableName(name))
        problems.push({ line, message: "is not of the form NAME=value." });
      else if (value === undefined)
        problems.push({ line, message: "opens a quote that is never closed." });
      else {
        variables.set(name, value.text);
        next = endOf(text, value.end) + 1;
      }
    }
    line += text.slice(position, next).split("\n").length - 1;
    position = next;
  }
  return { variables: Object.fromEntries(variables), problems };
}

function endOf(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end === -1 ? text.length : end;
}

function readValue(text: string, from: number): { text: string; end: number } | undefined {
  const line = text.slice(from, endOf(text, from));
  const start = from + (line.length - line.trimStart().length);
  const quote = text[start] ?? "";
  if (!QUOTES.has(quote) || start >= from + line.length) {
    return { text: (line.split("#")[0] ?? "").trim(), end: from };
  }
  const close = text.indexOf(quote, start + 1);
  if (close === -1) return undefined;
  const inner = text.slice(start + 1, close);
  return { text: quote === '"' ? inner.replaceAll("\\n", "\n") : inner, end: close };
}
