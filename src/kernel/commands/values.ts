import { newelError } from "../../base/errors.ts";
import type { Kernel } from "../api.ts";
import { command, jsonOnly, optionalRest, reply, word, type Command } from "./command.ts";
import { count, NEW_NAME, SENTENCE, TEXT, WORDS } from "./kinds.ts";
import { oneLine } from "./lines.ts";

export const VALUE_COMMANDS: readonly Command[] = [
  command({
    words: ["set"],
    summary: "Keep a text under a name; without a text, forget it.",
    examples: ["set color dark green", "set color"],
    fields: {
      name: word(NEW_NAME, "what it is called"),
      value: optionalRest(SENTENCE, "the text; its words are joined by one space"),
      claim: jsonOnly(TEXT, "only while this claim is held"),
      epoch: jsonOnly(count(Number.MAX_SAFE_INTEGER, 1), "and its number is this one"),
    },
    run: ({ name, value, claim, epoch = 0 }, { kernel }) => {
      if (claim !== undefined && !isHeld(kernel, claim, epoch))
        throw newelError("NEWEL_E_SUPERSEDED", { name: claim, epoch });
      kernel.values.set(name, value);
      return { ...reply(), synced: true };
    },
  }),
  command({
    words: ["get"],
    summary: "Show the text kept under a name, or nothing.",
    examples: ["get color"],
    fields: { name: word(TEXT, "what it is called") },
    run: ({ name }, { kernel }) => {
      const value = kernel.values.get(name);
      return reply({ value: value ?? null }, () => (value === undefined ? [] : [oneLine(value)]));
    },
  }),
  command({
    words: ["list", "values"],
    summary: "Show values: all, or those of a name or prefix*.",
    examples: ["list values", "list values app.*"],
    fields: { names: optionalRest(WORDS, "names, or prefixes ending in *") },
    run: ({ names = [] }, { kernel }) => {
      const values = kernel.values.list(names);
      return reply(values, () =>
        values.map(({ name, value }) => oneLine(`${name} ${value}`)).sort(),
      );
    },
  }),
  command({
    words: ["remove", "values"],
    summary: "Forget values. Not all at once: say which.",
    examples: ["remove values color", "remove values app.*"],
    fields: { names: optionalRest(WORDS, "names, or prefixes ending in *") },
    run: ({ names = [] }, { kernel }) => {
      if (names.every((name) => name === "*"))
        throw newelError("NEWEL_E_COMMAND", { what: "You cannot remove all variables" });
      kernel.values.remove(names);
      return { ...reply(), synced: true };
    },
  }),
];

/**
 * Whether a grant is still valid: a late write of its holder, after another client got the claim, is refused.
 */
function isHeld({ claims }: Kernel, name: string, epoch: number): boolean {
  return claims.list([name]).some((claim) => claim.name === name && claim.epoch === epoch);
}
