// The jobs that the job server runs. The web site imports the same module to hand the work over.
// (In a project of your own the import is from "newel/jobs".)
import { setTimeout as sleep } from "node:timers/promises";

import * as v from "valibot";

import { job } from "../../src/jobs/index.ts";
import { saveContacts, type Contact } from "./contacts.ts";
import { readUpload } from "./uploads.ts";

const CHUNK = 250;
/** The duration of the look-up of one chunk. */
const LOOKUP_MS = Number(process.env["LOOKUP_MS"] ?? 250);

export const importContacts = job(
  "import-contacts",
  {
    input: v.object({ owner: v.string(), upload: v.string() }),
    // A double click, or a second tab, is one import.
    key: ({ owner }) => owner,
    retries: 3,
  },
  async ({ owner, upload }, ctx) => {
    const contacts = await readUpload(upload);
    await ctx.progress(0, contacts.length);
    for (let from = 0; from < contacts.length; from += CHUNK) {
      ctx.signal.throwIfAborted();
      const chunk = contacts.slice(from, from + CHUNK);
      // Done once, also when the job server is restarted in between.
      await ctx.step(`lines from ${from}`, async () => {
        saveContacts(owner, await lookUp(chunk));
        await ctx.progress(from + chunk.length, contacts.length, chunk.at(-1)?.name);
      });
    }
    return { imported: contacts.length };
  },
);

/** Stands for the expensive part: a service that is asked about each address. */
async function lookUp(contacts: readonly Contact[]): Promise<readonly Contact[]> {
  await sleep(LOOKUP_MS);
  return contacts.map(({ name, email }) => ({ name, email: email.toLowerCase() }));
}
