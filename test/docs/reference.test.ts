// The pages of the API reference are made from declarations and their TSDoc.
import assert from "node:assert/strict";
import { test } from "node:test";

import { readDocumented } from "../../scripts/api/documented.ts";
import { renderPage, undocumented } from "../../scripts/api/pages.ts";

const SOURCE = `
/** A comment about another thing; with a brace { and a quote ". */
import type { Other } from "./other.ts";
/**
 * Opens the store, see {@link Store}. Takes \`Map<string, number>\`.
 * @param path - the file
 * @throws NEWEL_E_NONE when it is missing
 * @example
 * await open("a");
 */
export declare function open(path: string): Promise<Store>;
export interface Store<Row extends { id: string } = { id: string }> {
    /** The number of rows. */
    readonly size: number;
    readonly path?: never;
    get(id: string): Row; // no comment of its own
    /** Closes it. */
    close(): void;
    close(force: true): void;
}
`;

const declarations = readDocumented(SOURCE);
const exported = ["open", "Store"].map((name) => ({
  name,
  declarations: declarations.get(name) ?? [],
}));

test("a page has the text, the tags, the signature and the members of each export", () => {
  const page = renderPage("newel/store", exported);
  for (const part of [
    "# newel/store",
    "Opens the store, see `Store`. Takes `Map<string, number>`.",
    "- `path`: the file\n- throws: NEWEL_E_NONE when it is missing",
    '```ts\nawait open("a");\n```',
    "```ts\nfunction open(path: string): Promise<Store>;\n```",
    "```ts\ninterface Store<Row extends { id: string } = { id: string }> { … }\n```",
    "| <code>readonly size: number</code> | The number of rows. |",
    "| <code>close(): void</code><br><code>close(force: true): void</code> | Closes it. |",
  ])
    assert.ok(page.includes(part), `${part}\nis not in\n${page}`);
});

test("exports and members without TSDoc are named; an overload and an excluded member are not", () => {
  assert.deepEqual(undocumented(exported), { exports: ["Store"], members: ["Store.get"] });
});
