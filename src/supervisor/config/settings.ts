import * as v from "valibot";

import { record } from "./leaves.ts";
import { type Level, unknownKey } from "./words.ts";

/** An object with these settings and no other; every unknown key is reported, not the first alone. */
export function settings<const Entries extends v.ObjectEntries>(
  level: Level,
  entries: Entries,
): v.GenericSchema<unknown, v.InferOutput<v.LooseObjectSchema<Entries, undefined>>> {
  const names = Object.keys(entries);
  const sample = names.slice(0, 3).join(", ");
  return v.pipe(
    record(`must be an object: { ${sample}${names.length > 3 ? ", …" : ""} }.`),
    v.looseObject(entries),
    v.rawCheck(({ dataset: { value }, addIssue }) => {
      // Values with invalid settings are checked here too, so that their unknown keys are reported in the same
      // run.
      if (typeof value !== "object" || value === null) return;
      const input: Record<string, unknown> = { ...value };
      for (const key of Object.keys(input)) {
        if (Object.hasOwn(entries, key)) continue;
        const path = { type: "object", origin: "value", input, key, value: input[key] } as const;
        addIssue({ message: unknownKey(key, level, names), path: [path] });
      }
    }),
  );
}
