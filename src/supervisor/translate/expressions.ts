import type { Expression, Node } from "acorn";

// Which expressions of a configuration may be written into another one as they are: those that read nothing but
// process.env. Their present values may be secrets, and are not the same on another machine.

/** Functions without effects that configurations apply to variables. */
const FUNCTIONS = new Set(["Number", "String", "Boolean", "parseInt", "parseFloat"]);

/** Whether an expression reads process.env, and nothing else that another file would not have. */
export function readsEnvironment(node: Node): boolean {
  const parts = partsOf(node as Expression);
  return parts !== undefined && parts.some((each) => each.type === "MemberExpression");
}

/** The leaves of an expression: literals and members of process.env; `undefined` where it has any other. */
function partsOf(node: Expression): readonly Expression[] | undefined {
  if (node.type === "Literal" || isVariable(node)) return [node];
  const inner = operandsOf(node)?.map((each) => partsOf(each as Expression));
  return inner?.every((each) => each !== undefined) === true ? inner.flat() : undefined;
}

/** The operands of an operator or a conversion; `undefined` for every other expression. */
function operandsOf(node: Expression): readonly Node[] | undefined {
  if (node.type === "TemplateLiteral") return node.expressions;
  if (node.type === "LogicalExpression" || node.type === "BinaryExpression")
    return [node.left, node.right];
  if (node.type === "ConditionalExpression") return [node.test, node.consequent, node.alternate];
  if (node.type === "UnaryExpression") return [node.argument];
  if (node.type === "ParenthesizedExpression") return [node.expression];
  if (node.type !== "CallExpression" || node.callee.type !== "Identifier") return undefined;
  return FUNCTIONS.has(node.callee.name) ? node.arguments : undefined;
}

/** `process.env.NAME` or `process.env["NAME"]`. */
function isVariable(node: Expression): boolean {
  if (node.type !== "MemberExpression" || (node.computed && node.property.type !== "Literal"))
    return false;
  const { object } = node;
  return (
    object.type === "MemberExpression" &&
    !object.computed &&
    object.object.type === "Identifier" &&
    object.object.name === "process" &&
    object.property.type === "Identifier" &&
    object.property.name === "env"
  );
}
