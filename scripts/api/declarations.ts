/** The statements of a declaration file (`.d.ts`) as tsc writes them. */

export interface Declaration {
  readonly name: string;
  /** Source text without comments, `export` and `declare`, and with `"…"` for sentences. */
  readonly text: string;
  readonly words: ReadonlySet<string>;
}

interface Import {
  readonly from: string;
  /** Name in the other file; `*` for its namespace. */
  readonly name: string;
}

export interface DeclarationFile {
  /** A name may have several: overloads, an interface and a constant. */
  readonly declarations: ReadonlyMap<string, readonly Declaration[]>;
  readonly imports: ReadonlyMap<string, Import>;
  /** Exported name → local name, or the import that it passes on. */
  readonly exports: ReadonlyMap<string, string | Import>;
  readonly exportsAllOf: readonly string[];
  /** `declare global` and `declare module "…"`: they hold wherever the file is loaded. */
  readonly ambient: readonly Declaration[];
}

const BLOCK =
  /^(?:export )?(?:default )?(?:declare )?(?:abstract )?(?:class|interface|namespace|module|enum|global)\b/;
const NAMED =
  /^(?:abstract )?(?:class|interface|namespace|enum|type|function|const enum|const|let|var) ([\w$]+)/;
/** Texts for people are no part of the types. */
const TEXT = /"(?:[^"\\\n]|\\.)*"/g;
const WORD = /[\p{ID_Start}$_][\p{ID_Continue}$]*/gu;

export function parseDeclarations(source: string): DeclarationFile {
  const declarations = new Map<string, Declaration[]>();
  const imports = new Map<string, Import>();
  const exports = new Map<string, string | Import>();
  const exportsAllOf: string[] = [];
  const ambient: Declaration[] = [];
  for (const statement of statementsOf(withoutComments(source))) {
    const all = /^export (?:type )?\* from "([^"]+)";$/.exec(statement)?.[1];
    const list = /^(import|export)(?: type)? (.*?)(?: from )?(?:"([^"]+)")?;$/su.exec(statement);
    if (all !== undefined) exportsAllOf.push(all);
    else if (list !== null && (list[1] === "import" || /^[{*]/.test(list[2] ?? ""))) {
      const [, kind, clause = "", from] = list;
      for (const { name, as } of namesOf(clause)) {
        if (kind === "import") imports.set(as, { from: from ?? "", name });
        else exports.set(as, from === undefined ? name : { from, name });
      }
    } else add(statement);
  }
  return { declarations, imports, exports, exportsAllOf, ambient };

  function add(statement: string): void {
    const text = statement
      .replace(/^export (?:default )?/, "")
      .replace(/^declare /, "")
      .replaceAll(TEXT, (one) => (one.includes(" ") ? '"…"' : one));
    const name = NAMED.exec(text)?.[1];
    const words = new Set(text.match(WORD));
    if (name === undefined) {
      if (!/^(?:global|module)\b/.test(text)) throw new Error(`no declaration: ${statement}`);
      ambient.push({ name: "", text, words });
      return;
    }
    declarations.set(name, [...(declarations.get(name) ?? []), { name, text, words }]);
    if (/^export default\b/.test(statement)) exports.set("default", name);
    else if (/^export\b/.test(statement)) exports.set(name, name);
  }
}

/** `A, { type B, C as D }`, `* as E` → the names in the other file and here. */
function namesOf(clause: string): { name: string; as: string }[] {
  const [, list = ""] = /\{(.*)\}/s.exec(clause) ?? [];
  const rest = clause.replace(/\{.*\}/s, "");
  const named = list.split(",").map((one) => one.trim().replace(/^type /, ""));
  return [
    ...rest.split(",").flatMap((one) => {
      const namespace = /^\* as ([\w$]+)$/.exec(one.trim())?.[1];
      if (namespace !== undefined) return [{ name: "*", as: namespace }];
      return one.trim() === "" ? [] : [{ name: "default", as: one.trim() }];
    }),
    ...named
      .filter((one) => one !== "")
      .map((one) => {
        const [name = "", as = name] = one.split(" as ");
        return { name, as };
      }),
  ];
}

function statementsOf(source: string): string[] {
  const statements: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < source.length; at += 1) {
    const char = source.charAt(at);
    if (`"'\``.includes(char)) at = endOfText(source, at);
    if ("({[".includes(char)) depth += 1;
    if (")}]".includes(char)) depth -= 1;
    const soFar = source.slice(start, at + 1).trimStart();
    if (depth === 0 && (char === ";" || (char === "}" && BLOCK.test(soFar)))) {
      statements.push(soFar);
      start = at + 1;
    }
  }
  if (depth !== 0 || source.slice(start).trim() !== "") throw new Error("unfinished declaration");
  return statements.filter((one) => one !== ";" && one !== "export {};");
}

function withoutComments(source: string): string {
  let text = "";
  for (let at = 0; at < source.length; at += 1) {
    const char = source.charAt(at);
    const two = source.slice(at, at + 2);
    if (`"'\``.includes(char)) {
      const end = endOfText(source, at);
      text += source.slice(at, end + 1);
      at = end;
    } else if (two === "/*") at = source.indexOf("*/", at + 2) + 1;
    else if (two === "//") at = source.indexOf("\n", at) - 1;
    else text += char;
  }
  return text.replaceAll(/[ \t]+$/gm, "").replaceAll(/\n{2,}/g, "\n");
}

/** Index of the quote that ends the text which begins at `at`. */
function endOfText(source: string, at: number): number {
  const quote = source.charAt(at);
  let end = at + 1;
  while (end < source.length && source.charAt(end) !== quote) {
    end += source.charAt(end) === "\\" ? 2 : 1;
  }
  return end;
}
