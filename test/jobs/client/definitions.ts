import * as v from "valibot";

import { job } from "../../../src/jobs/index.ts";

/** With a schema and a key. */
export const contacts = job(
  "contacts",
  {
    input: v.object({ file: v.pipe(v.string(), v.minLength(1)), rows: v.optional(v.number()) }),
    queue: "imports",
    retries: 3,
    key: ({ file }) => file,
  },
  async ({ file }) => ({ file, rows: 3 }),
);

/** With nothing. */
export const plain = job("plain", {}, () => 1);
