import type { Expression, Node, ObjectExpression, Program, Property } from "acorn";
import { parse, parseExpressionAt } from "acorn";

import type { Key } from "./problems.ts";

/** The place of a value in a source. */
interface Place {
  /** From 1. */
  readonly line: number;
  /** Of its first character: sorts problems as the file has them. */
  readonly offset: number;
  /** How many keys of the path were found; fewer than asked for an enclosing place. */
  readonly found: number;
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

/** The source of the values that a script exports. */
export interface ScriptSource {
  /** The expression of a path, and its text; `undefined` where the path does not lead to one. */
  at(keys: readonly Key[]): { readonly node: Node; readonly text: string } | undefined;
  /** The keys that the literals at a path have, also those whose value is `undefined`. */
  keysOf(keys: readonly Key[]): readonly string[];
}

/** Reads the expressions of a JavaScript that exports by `export default` or `module.exports`. */
export function sourceOfScript(script: string): ScriptSource {
  const [root, constants] = parsedExport(script);
  const find = (keys: readonly Key[]): Node | undefined => {
    let node = root;
    for (const key of keys)
      node = node === undefined ? undefined : enter(node, key, constants, HOPS)?.value;
    return node;
  };
  return {
    at(keys) {
      const node = find(keys);
      return node === undefined ? undefined : { node, text: script.slice(node.start, node.end) };
    },
    keysOf(keys) {
      const node = find(keys);
      const literals = node === undefined ? [] : literalsOf(node, constants, HOPS);
      return literals.flatMap((literal) =>
        literal.type === "ObjectExpression"
          ? literal.properties.flatMap((each) =>
              each.type === "Property" ? (keyOf(each) ?? []) : [],
            )
          : [],
      );
    },
  };
}

function parsedExport(script: string): readonly [Node | undefined, Constants] {
  for (const sourceType of ["module", "script"] as const)
    try {
      const program = parse(script, { ecmaVersion: "latest", sourceType });
      return [exportedValue(program), topLevelConstants(program)];
    } catch (error) {
      // Where acorn cannot parse, values are read without their source.
      if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    }
  return [undefined, new Map()];
}

/** For JSON. */
export function locateInJson(source: string): Locate {
  try {
    return locateFrom(parseExpressionAt(source, 0, { ecmaVersion: "latest" }), new Map(), source);
  } catch (error) {
    return nowhere(error);
  }
}

/** Where acorn cannot parse (newer syntax, very deep nesting), only the line numbers are missing. */
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

/** The expression after `export default` or `module.exports =`. */
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
    let found = 0;
    for (const key of keys) {
      const step = value === undefined ? undefined : enter(value, key, constants, HOPS);
      if (step === undefined) break;
      found += 1;
      place = step.start;
      value = step.value;
    }
    if (place === undefined) return undefined;
    const offset = place;
    const after = lineStarts.findIndex((start) => start > offset);
    return { offset, found, line: after === -1 ? lineStarts.length : after };
  };
}

/** Bounds the search in a source that refers to itself (`const a = a`). */
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

/** The object or list literals that an expression may evaluate to; both sides of a condition. */
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
