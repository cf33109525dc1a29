import { isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";

import { configError, type Key } from "../config/problems.ts";

/** A YAML file as data, with the lines of its values. */
export interface Yaml {
  readonly value: unknown;
  lineOf(keys: readonly Key[]): number | undefined;
}

/**
 * Reads YAML, with merge keys.
 *
 * @throws NEWEL_E_CONFIG with the line of the first error
 */
export function readYaml(text: string, file: string, cwd: string): Yaml {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, merge: true, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line } = counter.linePos(error.pos[0]);
    const message = `The file is not valid YAML: ${error.message.split("\n")[0] ?? ""}.`;
    throw configError([{ file, line, path: "", message }], cwd);
  }
  const value: unknown = document.toJS({ maxAliasCount: 1000 });
  const lineOf = (keys: readonly Key[]): number | undefined => {
    let node: unknown = document.contents;
    let place = isNode(node) ? startOf(node) : undefined;
    for (const key of keys) {
      const [at, next] = enter(isNode(node) ? node : undefined, key);
      if (at === undefined) break;
      place = at;
      node = next;
    }
    return place === undefined ? undefined : counter.linePos(place).line;
  };
  return { value, lineOf };
}

function enter(node: Node | undefined, key: Key): readonly [number | undefined, unknown] {
  if (isSeq(node)) {
    const item: unknown = node.items[Number(key)];
    return [isNode(item) ? startOf(item) : undefined, item];
  }
  if (!isMap(node)) return [undefined, undefined];
  const pair = node.items.find(
    (each) => isScalar(each.key) && String(each.key.value) === String(key),
  );
  return pair !== undefined && isNode(pair.key)
    ? [startOf(pair.key), pair.value]
    : [undefined, undefined];
}

const startOf = (node: Node): number | undefined => node.range?.[0];
