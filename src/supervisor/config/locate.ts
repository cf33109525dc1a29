import type { Expression, Node, ObjectExpression, Program, Property } from "acorn";
import { parse, parseExpressionAt } from "acorn";

import type { Key } from "./problems.ts";

/** Where a value stands in a source. */
interface Place {
  /** From 1. */
  readonly line: number;
  /** Of its first character: sorts problems as the file has them. */
  readonly offset: number;
}

/** Finds a path of the configuration in its source; the nearest enclosing place, or none. */
export type Locate = (keys: readonly Key[]) => Place | undefined;

/** For JavaScript, or TypeScript whose types were replaced by blanks. */
export function locateInScript(script: string): Locate {
  try {
    const program = parse(script, { ecmaVersion: "latest", sourceType: "module" });
    const constants = topLevelConstants(program);
    return locateFrom(exportedValue(program), constants, script);
  } catch (error) {
    return nowhere(error);
  }
}

/** For JSON. */
export function locateInJson(source: string): Locate {
  try {
    return locateFrom(parseExpressionAt(source, 0, { ecmaVersion: "latest" }), new Map(), source);
  } catch (error) {
    return nowhere(error);
  }
}

/** What acorn cannot read (newer syntax, very deep nesting) only costs the line numbers. */
function nowhere(error: unknown): Locate {
  if (error instanceof SyntaxError || error instanceof RangeError) return () => undefined;
  throw error;
}

type Constants = ReadonlyMap<string, Expression>;

function topLevelConstants(program: Program): Constants {
  const constants = new Map<string, Expression>();
  for (const statement of program.body) {
    const declaration =
      statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
    if (declaration?.type !== "VariableDeclaration") continue;
    for (const { id, init } of declaration.declarations)
      if (id.type === "Identifier" && init) constants.set(id.name, init);
  }
  return constants;
}

/** What stands behind `export default` or `module.exports =`. */
function exportedValue(program: Program): Node | undefined {
  for (const statement of program.body) {
    if (statement.type === "ExportDefaultDeclaration") return statement.declaration;
    if (statement.type !== "ExpressionStatement") continue;
    const { expression } = statement;
    if (expression.type !== "AssignmentExpression") continue;
    const { left, right } = expression;
    if (
      left.type === "MemberExpression" &&
      isName(left.object, "module") &&
      isName(left.property, "exports")
    )
      return right;
  }
  return undefined;
}

const isName = (node: Node, name: string): boolean =>
  node.type === "Identifier" && "name" in node && node.name === name;

function locateFrom(root: Node | undefined, constants: Constants, source: string): Locate {
  const lineStarts = [0, ...[...source.matchAll(/\n/g)].map(({ index }) => index + 1)];
  return (keys) => {
    let place: number | undefined = root?.start;
    let value = root;
    for (const key of keys) {
      const step = value === undefined ? undefined : enter(value, key, constants, HOPS);
      if (step === undefined) break;
      place = step.start;
      value = step.value;
    }
    if (place === undefined) return undefined;
    const offset = place;
    const after = lineStarts.findIndex((start) => start > offset);
    return { offset, line: after === -1 ? lineStarts.length : after };
  };
}

/** A source that refers to itself (`const a = a`) must not hold us. */
const HOPS = 32;

interface Step {
  readonly start: number;
  readonly value: Node | undefined;
}

/** From an expression to the place of one of its keys. */
function enter(node: Node, key: Key, constants: Constants, hops: number): Step | undefined {
  const literals = literalsOf(node, constants, hops);
  for (const literal of literals) {
    if (literal.type === "ArrayExpression") {
      const element = literal.elements[Number(key)];
      if (element && element.type !== "SpreadElement")
        return { start: element.start, value: element };
      continue;
    }
    const step = enterObject(literal, key, constants, hops);
    if (step !== undefined) return step;
  }
  return undefined;
}

function enterObject(
  object: ObjectExpression,
  key: Key,
  constants: Constants,
  hops: number,
): Step | undefined {
  // The last one wins, as it does when the object is made.
  for (const property of object.properties.toReversed()) {
    if (property.type === "SpreadElement") {
      const inside = enter(property.argument, key, constants, hops - 1);
      if (inside !== undefined) return inside;
    } else if (keyOf(property) === String(key)) {
      return { start: property.start, value: property.value };
    }
  }
  return undefined;
}

function keyOf(property: Property): string | undefined {
  const { key, computed } = property;
  if (key.type === "Identifier" && !computed) return key.name;
  return key.type === "Literal" ? String(key.value) : undefined;
}

type Literal = Extract<Expression, { type: "ObjectExpression" | "ArrayExpression" }>;

/** The object or list literals an expression may come to; both sides of a condition. */
function literalsOf(node: Node, constants: Constants, hops: number): readonly Literal[] {
  if (hops <= 0) return [];
  const follow = (next: Node | null | undefined): readonly Literal[] =>
    next ? literalsOf(next, constants, hops - 1) : [];
  const expression = node as Expression;
  if (expression.type === "ObjectExpression" || expression.type === "ArrayExpression")
    return [expression];
  if (expression.type === "Identifier") return follow(constants.get(expression.name));
  // defineConfig({ … })
  if (expression.type === "CallExpression") return follow(expression.arguments[0]);
  if (expression.type === "AwaitExpression") return follow(expression.argument);
  if (expression.type === "ConditionalExpression")
    return [...follow(expression.consequent), ...follow(expression.alternate)];
  if (expression.type === "LogicalExpression")
    return [...follow(expression.left), ...follow(expression.right)];
  return [];
}
