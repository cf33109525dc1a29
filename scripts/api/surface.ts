/** The public types of an entry: the declarations that it exports, and those that they need. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

import { type Declaration, type DeclarationFile, parseDeclarations } from "./declarations.ts";

interface Found {
  readonly file: string;
  readonly name: string;
}

/** Reads each declaration file once. */
export class Surface {
  readonly #files = new Map<string, DeclarationFile>();

  /** The text of a snapshot; the same types give the same text in any layout of files. */
  snapshot(entry: string): string {
    const exported = this.exportsOf(entry);
    const needed = new Map<string, { text: string; name: string }>();
    const packages = new Set<string>();
    const loaded = new Set<string>();
    const queue: Found[] = [...exported.values()];
    const seen = new Set<string>();
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const key = `${next.file} ${next.name}`;
      if (seen.has(key)) continue;
      seen.add(key);
      if (next.name === "*" && next.file.startsWith("/")) {
        queue.push(...this.exportsOf(next.file).values());
        continue;
      }
      if (!next.file.startsWith("/")) {
        packages.add(`${next.name} from "${next.file}"`);
        continue;
      }
      loaded.add(next.file);
      const declared = this.#file(next.file).declarations.get(next.name) ?? [];
      for (const declaration of declared) queue.push(...this.#needs(next.file, declaration));
      needed.set(key, { name: next.name, text: declared.map(({ text }) => text).join("\n") });
    }
    const ambient = [...loaded].flatMap((file) => this.#file(file).ambient.map(({ text }) => text));
    return render(exported, needed, packages, ambient);
  }

  /** The exports of an entry by name, each with its file and its name there. */
  exportsOf(file: string): Map<string, Found> {
    const { exports, exportsAllOf, imports } = this.#file(file);
    const found = new Map<string, Found>();
    for (const other of exportsAllOf) {
      for (const [name, target] of this.exportsOf(locate(file, other))) {
        if (name !== "default") found.set(name, target);
      }
    }
    for (const [name, target] of exports) {
      const from = typeof target === "string" ? imports.get(target) : target;
      if (from !== undefined) found.set(name, this.#resolve(locate(file, from.from), from.name));
      else if (typeof target === "string") found.set(name, { file, name: target });
    }
    return found;
  }

  #resolve(file: string, name: string): Found {
    if (name === "*" || !file.startsWith("/")) return { file, name };
    const found = this.exportsOf(file).get(name);
    if (found === undefined) throw new Error(`${file} has no export ${name}`);
    return found;
  }

  #needs(file: string, { words, name: own }: Declaration): Found[] {
    const { declarations, imports } = this.#file(file);
    return [...words].flatMap((word): Found[] => {
      if (word === own) return [];
      const other = imports.get(word);
      if (declarations.has(word)) return [{ file, name: word }];
      if (other === undefined) return [];
      const from = locate(file, other.from);
      return [this.#resolve(from, other.name)];
    });
  }

  #file(path: string): DeclarationFile {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const file = parseDeclarations(readFileSync(path, "utf8"));
    this.#files.set(path, file);
    return file;
  }
}

/** Path of the declarations of a module, or the name of a package. */
function locate(file: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  const path = resolve(dirname(file), specifier).replace(/\.([mc]?)[jt]s$/, ".d.$1ts");
  const found = path.endsWith(".d.d.ts") ? resolve(dirname(file), specifier) : path;
  if (!existsSync(found))
    throw new Error(`${file} imports ${specifier}, which has no declarations`);
  return found;
}

function render(
  exported: ReadonlyMap<string, Found>,
  needed: ReadonlyMap<string, { text: string; name: string }>,
  packages: ReadonlySet<string>,
  ambient: readonly string[],
): string {
  const blocks: string[] = [];
  const isExported = new Set<string>();
  for (const [name, { file, name: local }] of sorted(exported)) {
    const key = `${file} ${local}`;
    isExported.add(key);
    const text = needed.get(key)?.text;
    if (text === undefined && local === "*") blocks.push(`export * as ${name};`);
    else if (text === undefined) blocks.push(`export { ${local} as ${name} } from "${file}";`);
    else if (name === local) blocks.push(text.replaceAll(/^(?=\S)(?![)}\]])/gm, "export "));
    else blocks.push(`${text}\nexport { ${local} as ${name} };`);
  }
  const inner = [...needed].filter(([key]) => !isExported.has(key)).map(([, one]) => one);
  inner.sort((a, b) => compare(a.name, b.name) || compare(a.text, b.text));
  const parts = [blocks.join("\n\n")];
  if (ambient.length > 0) parts.push("// Global.", [...ambient].sort(compare).join("\n\n"));
  if (inner.length > 0) {
    parts.push("// Not exported, but used by the types above.");
    parts.push(inner.map(({ text }) => text).join("\n\n"));
  }
  if (packages.size > 0) {
    const lines = [...packages].sort(compare).map((one) => `// - ${one}`);
    parts.push(`// Types of other packages:\n${lines.join("\n")}`);
  }
  return parts.join("\n\n");
}

function sorted<Value>(map: ReadonlyMap<string, Value>): [string, Value][] {
  return [...map].sort(([a], [b]) => compare(a, b));
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
