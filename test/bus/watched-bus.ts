import { Bus } from "../../src/bus/bus.ts";
import type { LogEntry } from "../../src/bus/log.ts";

/** A bus with counting listeners on its lifecycle channels, and its info lines. */
export function watchedBus(): { bus: Bus; ran: string[]; lines: string[]; entries: LogEntry[] } {
  const bus = new Bus();
  const ran: string[] = [];
  const lines: string[] = [];
  const entries: LogEntry[] = [];
  bus.subscribe("log", (entry) => {
    entries.push(entry);
    if (entry.level === "info") lines.push(entry.message);
  });
  for (const channel of ["start", "stop", "graceful", "exit"] as const)
    for (const n of [1, 2]) bus.subscribe(channel, () => void ran.push(`${channel} ${n}`));
  return { bus, ran, lines, entries };
}

/** Resolves after that many milliseconds. */
export const later = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));
