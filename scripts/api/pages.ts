/** Pages of the API reference: Markdown from the TSDoc of declaration files. */
import { readFileSync } from "node:fs";

import { bodyStart, type Documented, type Member, readDocumented } from "./documented.ts";
import type { Surface } from "./surface.ts";

export interface Export {
  readonly name: string;
  readonly declarations: readonly Documented[];
}

const KINDS = [
  ["function", "Functions"],
  ["class", "Classes"],
  ["constant", "Constants"],
  ["interface", "Interfaces"],
  ["type", "Types"],
  ["namespace", "Namespaces"],
] as const;

/** A member that a type excludes, such as `readonly run?: never`, needs no documentation. */
const EXCLUDED = /\?: never$/;

/** The exports of an entry that this package declares, in the order of their names. */
export function exportsOf(surface: Surface, entry: string): Export[] {
  return [...surface.exportsOf(entry)]
    .filter(([, { file }]) => file.startsWith("/"))
    .map(([name, { file, name: local }]) => ({
      name,
      declarations: readDocumented(readFileSync(file, "utf8")).get(local) ?? [],
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The names of exports, and of members as `Class.member`, that have no documentation. */
export function undocumented(exported: readonly Export[]): {
  exports: string[];
  members: string[];
} {
  const without = exported.filter(
    ({ declarations }) => !declarations.some(({ doc }) => doc !== ""),
  );
  const members = exported.flatMap(({ name, declarations }) =>
    groups(declarations.flatMap((declaration) => membersOf(declaration)))
      .filter(([, group]) => !group.some(({ doc }) => doc !== ""))
      .map(([member]) => `${name}.${member}`),
  );
  return { exports: without.map(({ name }) => name), members };
}

export function renderPage(subpath: string, exported: readonly Export[]): string {
  const parts = [
    `# ${subpath}`,
    `Exports of \`${subpath}\`. The page is made from the comments of the types.`,
  ];
  for (const [kind, title] of KINDS) {
    const some = exported.filter(({ declarations }) => declarations[0]?.kind === kind);
    if (some.length > 0) parts.push(`## ${title}`, ...some.flatMap(renderExport));
  }
  return `${parts.join("\n\n")}\n`;
}

function renderExport({ name, declarations }: Export): string[] {
  const docs = declarations.map(({ doc }) => doc).filter((doc) => doc !== "");
  const members = groups(declarations.flatMap(membersOf));
  const hasMembers = members.length > 0;
  const signature = declarations.map((one) => (hasMembers ? headOf(one) : one.text)).join("\n");
  const parts = [`### ${name}`, ...docs.map(renderDoc), `\`\`\`ts\n${signature}\n\`\`\``];
  if (hasMembers) {
    const rows = members.map(([, group]) => {
      const text = group.map(({ text: each }) => `<code>${escaped(each)}</code>`).join("<br>");
      const doc = group.map((one) => one.doc).find((one) => one !== "") ?? "";
      return `| ${text} | ${cell(doc)} |`;
    });
    parts.push(["| member | |", "|---|---|", ...rows].join("\n"));
  }
  return parts;
}

function membersOf({ members }: Documented): Member[] {
  return members.filter(({ text }) => !EXCLUDED.test(text));
}

/** Overloads of one name together. */
function groups(members: readonly Member[]): [string, Member[]][] {
  const found = new Map<string, Member[]>();
  for (const member of members) found.set(member.name, [...(found.get(member.name) ?? []), member]);
  return [...found];
}

/** `interface A<T> extends B { … }` without its body. */
function headOf({ text }: Documented): string {
  return `${text.slice(0, bodyStart(text) + 1)} … }`;
}

/** TSDoc as Markdown: links as code, parameters as a list, errors and examples under their names. */
function renderDoc(doc: string): string {
  const [text = "", ...tags] = doc.split(/^@(?=[a-z])/m);
  const parts = [plain(text)];
  const listed = tags.filter((tag) => !tag.startsWith("example"));
  if (listed.length > 0) parts.push(listed.map((tag) => `- ${tagOf(tag)}`).join("\n"));
  for (const tag of tags.filter((each) => each.startsWith("example"))) {
    const code = tag.replace(/^example\s*/, "").trim();
    parts.push(code.startsWith("```") ? code : `\`\`\`ts\n${code}\n\`\`\``);
  }
  return parts.filter((part) => part !== "").join("\n\n");
}

function tagOf(tag: string): string {
  const [, word = "", rest = ""] = /^(\w+)\s*([^]*)$/.exec(tag.trim()) ?? [];
  const text = plain(rest).replaceAll("\n", " ");
  const named = /^([\w.]+) - (.*)$/.exec(text);
  if (word === "param" && named !== null) return `\`${named[1]}\`: ${named[2]}`;
  return `${word}: ${text}`;
}

function plain(text: string): string {
  return text
    .replaceAll(/\{@link(?:code)?\s+([^}|]+?)(?:\|[^}]*)?\}/g, "`$1`")
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith("`") ? part : part.replaceAll("<", "&lt;")))
    .join("")
    .trim();
}

function cell(doc: string): string {
  const tags = doc.replaceAll(/^@(\w+)/gm, "$1:");
  return plain(tags)
    .replaceAll("|", "\\|")
    .replaceAll(/\s*\n\s*/g, " ");
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll("{", "&#123;")
    .replaceAll("|", "&#124;")
    .replaceAll(/\s*\n\s*/g, " ");
}
