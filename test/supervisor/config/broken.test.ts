import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { loadError, makeApp } from "./app.ts";
import type { BrokenCase } from "./broken/case.ts";
import { WHOLE_FILES } from "./broken/files.ts";
import { PLACES } from "./broken/places.ts";
import { RULES } from "./broken/rules.ts";
import { SETTINGS } from "./broken/settings.ts";
import { WORDS_OF_OTHERS } from "./broken/words.ts";

const TABLES: Readonly<Record<string, readonly BrokenCase[]>> = {
  "words of other tools": WORDS_OF_OTHERS,
  settings: SETTINGS,
  "how settings fit together": RULES,
  "the file as a whole": WHOLE_FILES,
  "where it stands": PLACES,
};

for (const [name, cases] of Object.entries(TABLES)) {
  describe(`a broken configuration: ${name}`, { concurrency: 2 }, () => {
    for (const { title, source, files = {}, lines } of cases) {
      test(title, async (t) => {
        const config = source === undefined ? {} : { "newel.config.ts": source };
        const directory = makeApp(t, { ...config, ...files });
        const error = await loadError(directory);
        assert.equal(error.code, "NEWEL_E_CONFIG");
        assert.deepEqual(error.message.replaceAll(directory, "<DIR>").split("\n"), lines);
        assert.ok(!error.message.includes("hunter2hunter2"), "a value is shown");
      });
    }
  });
}
