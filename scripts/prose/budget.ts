// Shares of sentences with findings, and the budgets that they may not pass.
import type { Finding } from "./rules.ts";
import type { Kind } from "./sentences.ts";

export interface Count {
  readonly findings: number;
  readonly sentences: number;
}
/** Counts by kind of text, then by folder. */
export type Counts = Partial<Record<Kind, Record<string, Count>>>;

interface Measured {
  readonly kind: Kind;
  readonly folder: string;
  readonly findings: readonly Finding[];
}

export interface Above {
  readonly kind: string;
  readonly folder: string;
  readonly now: Count;
  readonly allowed: string;
}

/** The share that a folder without a budget may have. */
const TARGET = 0.03;

export function measure(sentences: readonly Measured[]): Counts {
  const counts: Counts = {};
  for (const { kind, folder, findings } of sentences) {
    const folders = (counts[kind] ??= {});
    const before = folders[folder] ?? { findings: 0, sentences: 0 };
    folders[folder] = {
      findings: before.findings + (findings.length > 0 ? 1 : 0),
      sentences: before.sentences + 1,
    };
  }
  return counts;
}

export function shareOf({ findings, sentences }: Count): number {
  return sentences === 0 ? 0 : findings / sentences;
}

/**
 * Folders whose share is above the budget. Removing plain sentences alone raises a share but adds
 * no finding, so that passes.
 */
export function check(budget: Counts, measured: Counts): Above[] {
  return rowsOf(measured).flatMap(({ kind, folder, count: now }) => {
    const limit = budget[kind]?.[folder];
    const isAbove =
      limit === undefined
        ? shareOf(now) > TARGET
        : shareOf(now) > shareOf(limit) && now.findings > limit.findings;
    if (!isAbove) return [];
    const allowed =
      limit === undefined ? `${TARGET * 100} %` : `${limit.findings} of ${limit.sentences}`;
    return [{ kind, folder, now, allowed }];
  });
}

/** The budget with the measured counts where their share is smaller; folders that are gone leave it. */
export function lowered(budget: Counts, measured: Counts): Counts {
  const next: Counts = {};
  for (const { kind, folder, count } of rowsOf(measured)) {
    const limit = budget[kind]?.[folder] ?? {
      findings: Math.floor(TARGET * count.sentences),
      sentences: count.sentences,
    };
    (next[kind] ??= {})[folder] = shareOf(count) < shareOf(limit) ? count : limit;
  }
  return next;
}

function rowsOf(counts: Counts): { kind: Kind; folder: string; count: Count }[] {
  return Object.entries(counts)
    .flatMap(([kind, folders]) =>
      // The keys of Counts are kinds.
      Object.entries(folders).map(([folder, count]) => ({ kind: kind as Kind, folder, count })),
    )
    .sort((a, b) => `${a.kind} ${a.folder}`.localeCompare(`${b.kind} ${b.folder}`, "en"));
}
