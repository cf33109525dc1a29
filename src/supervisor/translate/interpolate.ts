import { Code, type Setting } from "./draft.ts";

const VARIABLE = /\$(?:\$|(\w+)|\{(\w+)(?:(:?[-?+])([^}]*))?\})/g;

/** Whether a text has a variable of compose. */
export function hasVariable(text: string): boolean {
  return text.replaceAll("$$", "").includes("$");
}

/** A text of compose with its variables replaced by their present values. */
export function interpolated(text: string, variables: NodeJS.ProcessEnv): string {
  return text.replaceAll(
    VARIABLE,
    (
      whole,
      plain: string | undefined,
      braced: string | undefined,
      operator: string | undefined,
      word: string | undefined,
    ) => (whole === "$$" ? "$" : valueOf(variables[plain ?? braced ?? ""], operator, word ?? "")),
  );
}

function valueOf(value: string | undefined, operator: string | undefined, word: string): string {
  const isSet = value !== undefined && !(operator?.startsWith(":") === true && value === "");
  if (operator?.endsWith("+") === true) return isSet ? word : "";
  return isSet ? value : operator?.endsWith("-") === true ? word : "";
}

/** A text of compose as a setting: with variables it is an expression that reads process.env. */
export function expression(text: string, variables: NodeJS.ProcessEnv): Setting {
  const value = interpolated(text, variables);
  if (!hasVariable(text)) return value;
  const [whole] = VARIABLE.exec(text) ?? [];
  VARIABLE.lastIndex = 0;
  if (whole === text) return new Code(codeOf(text), value);
  let code = "";
  let at = 0;
  for (const match of text.matchAll(VARIABLE)) {
    code += escapeTemplate(text.slice(at, match.index));
    code += match[0] === "$$" ? "\\$" : `\${${codeOf(match[0])}}`;
    at = match.index + match[0].length;
  }
  return new Code(`\`${code}${escapeTemplate(text.slice(at))}\``, value);
}

function codeOf(variable: string): string {
  const [, plain, braced, operator, word = ""] =
    /^\$(?:(\w+)|\{(\w+)(?:(:?[-?+])([^}]*))?\})$/.exec(variable) ?? [];
  const name = `process.env.${plain ?? braced ?? ""}`;
  const text = JSON.stringify(word);
  switch (operator) {
    case ":-":
      return `${name} || ${text}`;
    case "-":
      return `${name} ?? ${text}`;
    case ":+":
    case "+":
      return `${name} ? ${text} : ""`;
    case undefined:
    default:
      return `${name} ?? ""`;
  }
}

const escapeTemplate = (text: string): string =>
  text.replaceAll(/[`\\]|\$(?=\{)/g, String.raw`\$&`);
