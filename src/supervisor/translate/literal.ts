import { type Expression, type ObjectExpression, parseExpressionAt } from "acorn";

import { lineOfParseError } from "../config/failure.ts";

/** The value of a JSON text, or the line of its first error. */
export interface Literal {
  readonly value?: unknown;
  readonly line?: number;
}

/** Reads JSON; as pm2 does, also with comments, single quotes, bare keys and commas at the end. */
export function literalOf(text: string): Literal {
  try {
    const node = parseExpressionAt(text, 0, { ecmaVersion: "latest", locations: true });
    return valueOf(node);
  } catch (error) {
    const line = lineOfParseError(error);
    if (line === undefined) throw error;
    return { line };
  }
}

function valueOf(node: Expression): Literal {
  const refused: Literal = { line: node.loc?.start.line ?? 1 };
  if (node.type === "Literal")
    return node.regex === undefined && node.bigint === undefined ? { value: node.value } : refused;
  if (node.type === "UnaryExpression") {
    const { value } = valueOf(node.argument);
    return node.operator === "-" && typeof value === "number" ? { value: -value } : refused;
  }
  if (node.type === "ArrayExpression") {
    const items = node.elements.map((each) =>
      each === null || each.type === "SpreadElement" ? refused : valueOf(each),
    );
    return items.find(isError) ?? { value: items.map(({ value }) => value) };
  }
  return node.type === "ObjectExpression" ? objectOf(node.properties) : refused;
}

function objectOf(properties: ObjectExpression["properties"]): Literal {
  const entries: [string, unknown][] = [];
  for (const property of properties) {
    const refused = { line: property.loc?.start.line ?? 1 };
    if (property.type !== "Property" || property.computed) return refused;
    const { key } = property;
    const found = valueOf(property.value);
    if (isError(found)) return found;
    if (key.type === "Identifier") entries.push([key.name, found.value]);
    else if (key.type === "Literal") entries.push([String(key.value), found.value]);
    else return refused;
  }
  return { value: Object.fromEntries(entries) };
}

const isError = ({ line }: Literal): boolean => line !== undefined;
