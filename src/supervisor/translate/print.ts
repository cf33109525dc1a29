import { basename } from "node:path";

import {
  Code,
  Environment,
  type Note,
  type Setting,
  type Settings,
  type Translation,
} from "./draft.ts";

/** The longest line that a value is printed on. */
const WIDTH = 96;

/** The configuration as the text of a newel.config.ts. Each thing that is not carried over has a comment at its service. */
export function printConfig(translation: Translation): string {
  const { app, services, notes, before = [], file } = translation;
  const body = [
    ...entriesOf(app, 1),
    "  services: {",
    ...services.flatMap(({ name, settings }) => [
      ...commentsOf(notes, name, "    "),
      `    ${keyText(name)}: ${valueText(settings, 2, keyText(name).length + 6)},`,
    ]),
    "  },",
  ].join("\n");
  const code = [...before, ...profileLine(translation, body)];
  const builtins = body.includes("availableParallelism()")
    ? ['import { availableParallelism } from "node:os";', ""]
    : [];
  return [
    ...builtins,
    'import { defineConfig } from "newel";',
    "",
    `// From ${basename(file)}, by \`newel init\`.`,
    ...commentsOf(notes, undefined, ""),
    ...(code.length === 0 ? [] : [...code, ""]),
    "export default defineConfig({",
    body,
    "});",
    "",
  ].join("\n");
}

function profileLine({ profile }: Translation, body: string): string[] {
  if (!body.includes("profile ===")) return [];
  const usual = profile === undefined ? "" : ` ?? ${JSON.stringify(profile)}`;
  return [`const profile = process.env.NODE_ENV${usual};`];
}

/** Comments about the settings that are not carried over. */
function commentsOf(notes: readonly Note[], service: string | undefined, indent: string): string[] {
  return notes
    .filter((note) => note.service === service && note.kind === "dropped")
    .flatMap(({ key, reason }) => wrapped(`${key} is not carried over: ${reason}.`, indent));
}

function wrapped(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent.length + line.length + word.length + 4 > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].map(
    (each) => `${indent}// ${each.replaceAll(/[\p{Cc}\u2028\u2029]/gu, " ")}`,
  );
}

function entriesOf(settings: Settings, depth: number): string[] {
  const indent = "  ".repeat(depth);
  return Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) =>
        `${indent}${keyText(key)}: ${valueText(value, depth, indent.length + key.length + 3)},`,
    );
}

/** An object or list on one line where it fits behind `used` characters, else one entry a line. */
function valueText(value: Setting, depth: number, used: number): string {
  const flat = flatText(value);
  if (flat !== undefined && used + flat.length + 1 <= WIDTH) return flat;
  const close = "  ".repeat(depth);
  if (value instanceof Environment)
    return `{\n${environmentLines(value, depth + 1).join("\n")}\n${close}}`;
  if (Array.isArray(value) && value.every((each) => typeof each === "string"))
    return `[\n${filled(value, `${close}  `).join("\n")}\n${close}]`;
  if (Array.isArray(value))
    return `[\n${value.map((each) => `${close}  ${valueText(each, depth + 1, 2 * depth + 3)},`).join("\n")}\n${close}]`;
  if (typeof value === "object" && !(value instanceof Code))
    return `{\n${entriesOf(value as Settings, depth + 1).join("\n")}\n${close}}`;
  return flat ?? "undefined";
}

/** Words of a command, as many on a line as fit. */
function filled(words: readonly string[], indent: string): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const text = `${JSON.stringify(word)},`;
    const last = lines.at(-1);
    if (last !== undefined && last.length + text.length + 1 <= WIDTH)
      lines[lines.length - 1] = `${last} ${text}`;
    else lines.push(`${indent}${text}`);
  }
  return lines;
}

function environmentLines(environment: Environment, depth: number): string[] {
  const indent = "  ".repeat(depth);
  const variants = [...environment.variants].map(([name, settings]) => {
    const test = `...(profile === ${JSON.stringify(name)} && `;
    return `${indent}${test}${valueText(settings, depth, indent.length + test.length + 1)}),`;
  });
  return [...entriesOf(environment.always, depth), ...variants];
}

/** `undefined` for a value that needs several lines. */
function flatText(value: Setting): string | undefined {
  if (value instanceof Code) return value.text;
  if (value instanceof Environment)
    return value.variants.size > 0 ? undefined : flatText(value.always);
  if (Array.isArray(value)) {
    const items = value.map(flatText);
    return items.includes(undefined) ? undefined : `[${items.join(", ")}]`;
  }
  if (typeof value === "object") {
    const entries = Object.entries(value as Settings).filter(([, each]) => each !== undefined);
    // A service is easier to read with a setting a line.
    if (
      (entries.length > 4 && "env" in value) ||
      entries.some(([, each]) => flatText(each) === undefined)
    )
      return undefined;
    return entries.length === 0
      ? "{}"
      : `{ ${entries.map(([key, each]) => `${keyText(key)}: ${flatText(each) ?? ""}`).join(", ")} }`;
  }
  return JSON.stringify(value);
}

const keyText = (key: string): string =>
  /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key);
