import { title, type Command, type Field } from "./command.ts";
import { wireKey } from "./wire-key.ts";

/** All commands, one a line. */
export function overview(commands: readonly Command[]): readonly string[] {
  const rows = commands.map((command) => ({ usage: usage(command), command }));
  const shown = ({ usage, command }: (typeof rows)[number]): string =>
    usage.length > 30
      ? `  ${usage}\n${" ".repeat(34)}${command.summary}`
      : `  ${usage.padEnd(31)} ${command.summary}`;
  const typed = rows.filter(({ command }) => !command.jsonOnly);
  const programs = rows.filter(({ command }) => command.jsonOnly);
  return [
    "Commands. Any word of a command may be shortened: l p is list processes.",
    "",
    ...typed.flatMap((row) => shown(row).split("\n")),
    "",
    'For programs, as JSON lines such as {"id":1,"do":"list processes"}:',
    "",
    ...programs.flatMap((row) => shown(row).split("\n")),
    "",
    "help COMMAND shows more, such as: help make socket",
  ];
}

/** Everything about one command. */
export function commandHelp(command: Command): readonly string[] {
  const details = Object.entries(command.fields).map(([key, field]) => ({
    left: described(key, field),
    about: field.place === "json" ? `${field.about} (JSON only)` : field.about,
  }));
  const width = Math.min(34, Math.max(0, ...details.map(({ left }) => left.length)));
  return [
    usage(command),
    `  ${command.summary}`,
    ...(command.detail === "" ? [] : [`  ${command.detail}`]),
    ...(details.length === 0 ? [] : [""]),
    ...details.map(({ left, about }) => `  ${left.padEnd(width)}  ${about}`),
    ...(command.examples.length === 0 ? [] : ["", "  For example:"]),
    ...command.examples.map((example) => `    ${example}`),
  ];
}

function usage(command: Command): string {
  const fields = Object.entries(command.fields);
  const words = fields.filter(([, field]) => field.place === "word");
  const options = fields.filter(([, field]) => field.place === "option");
  const rest = fields.filter(([, field]) => field.place === "rest");
  const [name, ...later] = words.map(([key, field]) => positional(key, field));
  return [
    title(command),
    name,
    options.length === 0 ? undefined : options.length === 1 ? "[option]" : "[options]",
    ...later,
    ...rest.map(([key, field]) => positional(key, field)),
  ]
    .filter((part) => part !== undefined)
    .join(" ");
}

function positional(key: string, field: Field<unknown>): string {
  const name = wireKey(key).toUpperCase();
  const shown = field.place === "rest" ? `${name}…` : name;
  return field.required ? shown : `[${shown}]`;
}

function described(key: string, field: Field<unknown>): string {
  const name = wireKey(key);
  if (field.place === "word" || field.place === "rest") return positional(key, field);
  if (field.kind.keyed === true) return `${name}.KEY=${field.kind.hint}`;
  return `${name}=${field.kind.hint}`;
}
