import type { ExitReason, LastExit } from "./api.ts";

/** Ends kept for each service. */
const KEPT = 5;
const REASONS: ReadonlySet<unknown> = new Set<ExitReason>([
  "command",
  "excess",
  "late",
  "liveness",
  "memory",
]);
/** Decisions of the supervisor alone: no command is there to be remembered. */
const OWN: ReadonlySet<ExitReason | undefined> = new Set(["late", "liveness", "memory"]);

/** The last ends of each service that newel caused, newest last; the kernel knows an exit code alone. */
export type StoredExits = Readonly<Record<string, readonly LastExit[]>>;

type Ended = ReadonlyMap<string, { readonly lastExits: readonly LastExit[] }>;

/** The ends to be stored for the next supervisor. */
export function exitsToStore(services: Ended): StoredExits {
  return pick(services, ({ reason }) => reason !== undefined);
}

/** The exits that are stored at once; other exits are stored with the next change of the app. */
export function urgentExits(services: Ended): StoredExits {
  return pick(services, ({ reason }) => OWN.has(reason));
}

function pick(services: Ended, isKept: (exit: LastExit) => boolean): StoredExits {
  const exits: Record<string, readonly LastExit[]> = {};
  for (const [service, { lastExits }] of services) {
    const kept = lastExits.filter(isKept).slice(-KEPT);
    if (kept.length > 0) exits[service] = kept;
  }
  return exits;
}

/** Reads stored ends; an entry of another shape is left out. */
export function parseExits(value: unknown): StoredExits {
  const exits: Record<string, readonly LastExit[]> = {};
  for (const [service, entries] of Object.entries(Object(value)))
    if (Array.isArray(entries)) exits[service] = entries.flatMap(parseExit);
  return exits;
}

function parseExit(value: unknown): LastExit[] {
  const entry: { [Key in keyof LastExit]?: unknown } = Object(value);
  const { process, pid, atMs, exitCode, asked, kernelName, why, reason } = entry;
  if (typeof process !== "string" || typeof pid !== "number" || typeof atMs !== "number") return [];
  if (typeof kernelName !== "string" || !isReason(reason)) return [];
  return [
    {
      process,
      pid,
      atMs,
      exitCode: typeof exitCode === "number" ? exitCode : null,
      asked: asked === true,
      kernelName,
      reason,
      ...(typeof why === "string" ? { why } : {}),
    },
  ];
}

function isReason(value: unknown): value is ExitReason {
  return REASONS.has(value);
}
