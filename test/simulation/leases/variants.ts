import { mkdirSync, copyFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import type { LeaseBook } from "../../../src/jobs/server/lease-book.ts";
import type { MakeBook } from "./model.ts";
import { breakSource, type SourceEdit } from "../../helpers/broken-source.ts";

const SOURCE = fileURLToPath(new URL("../../../src/jobs/server/lease-book.ts", import.meta.url));

/** A mistake that could be made in the machine, as an edit of its source. */
type Variant = SourceEdit;

/** Each of them has to be caught by an invariant. */
export const VARIANTS: readonly Variant[] = [
  {
    name: "the end of an attempt drops every lease of its job, as BullMQ's untrackJob(id) does",
    from: 'if (next === "over") this.#entries.delete(entry.serial);',
    to: 'if (next === "over") for (const [serial, { id }] of this.#entries) if (id === entry.id) this.#entries.delete(serial);',
  },
  {
    name: "a refusal for an earlier taking counts for the job's present lease",
    from: `      const entry = this.#entries.get(serial);
      if (entry === undefined) continue;
      entry.isAsked = false;`,
    to: `      const entry = [...this.#entries.values()].findLast((each) => each.id === id);
      if (entry === undefined) continue;
      this.#entries.get(serial);
      entry.isAsked = false;`,
  },
  {
    name: "a lease is not renewed while its end is being stored",
    from: 'return phase === "taken" || phase === "running" || phase === "ending";',
    to: 'return phase === "taken" || phase === "running";',
  },
  {
    name: "a job is twice in one call of renewals",
    from: "let batch = made.find(({ ids }) => !ids.has(entry.id));",
    to: "let batch = made[0];",
  },
  {
    name: "a lease that cannot be renewed is never given up",
    from: "const hasEnded = lapses ||",
    to: "const hasEnded = (lapses && nowMs < 0) ||",
  },
  {
    name: "a process that stood still trusts its leases",
    from: "(isUnsure && entry.heldSinceMs < this.#stoodStillMs)",
    to: "(isUnsure && nowMs < 0)",
  },
  {
    name: "a write does not ask whether its lease still holds",
    from: 'return isFresh ? "yes" : "ask";',
    to: 'return isFresh || nowMs > 0 ? "yes" : "ask";',
  },
  {
    name: "an attempt that lost its lease may write",
    from: 'if (entry?.phase !== "taken" && entry?.phase !== "running") return "no";',
    to: 'if (entry?.phase === "lost") return "yes"; if (entry === undefined || entry.phase === "ending") return "no";',
  },
  {
    name: "a lease counts from the answer, not from the question",
    from: "entry.heldSinceMs = Math.max(entry.heldSinceMs, sentMs);",
    to: "entry.heldSinceMs = Math.max(entry.heldSinceMs, sentMs + this.#terms.lockMs / 2);",
  },
  {
    name: "leases are renewed too late",
    from: "const RENEW_SHARE = 1 / 3;",
    to: "const RENEW_SHARE = 1;",
  },
  {
    name: "a refused renewal is not noticed",
    from: 'if (this.#move(entry, "lose")) lost.push(entry);',
    to: "entry.heldSinceMs = sentMs;",
  },
  {
    name: "a call that failed leaves its leases without renewals",
    from: `  unanswered({ leases }: Renewal): void {
    for (const { serial } of leases) {`,
    to: `  unanswered({ leases }: Renewal): void {
    for (const { serial } of leases.slice(0, 0)) {`,
  },
  {
    name: "a lease is never forgotten after a lost one",
    from: 'lost: { close: "over" },',
    to: "lost: {},",
  },
];

/**
 * The machine with a mistake in it, loaded from a copy of its source.
 *
 * @param directory - where the copy is written
 */
export async function brokenBook(variant: Variant, directory: string): Promise<MakeBook> {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, "lease-book.ts");
  copyFileSync(SOURCE, file);
  breakSource(variant, file);
  const module = (await import(pathToFileURL(file).href)) as { LeaseBook: typeof LeaseBook };
  return (terms) => new module.LeaseBook(terms);
}
