import { statSync } from "node:fs";
import { resolve } from "node:path";

import { sleep } from "../../base/timers.ts";
import type { Bus } from "../bus.ts";
import { watchLoadedFiles } from "../loaded-files.ts";

/** Options of `autoreload`: the source files that are watched. */
export interface AutoreloadOptions {
  /** The interval of the file checks, in milliseconds. Default 500. */
  readonly intervalMs?: number;
  /** Selects among the loaded files. Default: all outside node_modules. */
  readonly match?: RegExp;
  /** Further files, loaded or not, existing or not: templates, settings. */
  readonly files?: readonly string[];
}

/**
 * A save may consist of several writes: it counts as complete when nothing changed for this time,
 * in milliseconds.
 */
const SETTLE_MS = 60;
const OUTSIDE_NODE_MODULES = /^(?!.*[/\\]node_modules[/\\])/;

/**
 * Restarts the program when one of its source files changes: any change, including an older time,
 * the same time with other content, a rename over it, a removal or a creation. Needs `reexec(bus)`,
 * which first loads the new code in a child: while that fails the old program continues to serve,
 * and the next change is tried again.
 */
export function autoreload(bus: Bus, options: AutoreloadOptions = {}): void {
  const watched = new WatchedFiles(options.match ?? OUTSIDE_NODE_MODULES);
  for (const file of options.files ?? []) watched.add(resolve(file));
  const forget = watchLoadedFiles((path) => watched.addLoaded(path));
  const name = "autoreload";
  let timer: NodeJS.Timeout | undefined;
  const look = async (): Promise<void> => {
    const changed = watched.changed();
    if (changed.length === 0) return;
    for (let more = changed; more.length > 0; more = watched.changed()) await sleep(SETTLE_MS);
    bus.log(`Restarting because of ${changed.join(", ")}`);
    try {
      await bus.restart();
    } catch {
      // The reason is in the log, as the failure of the channel `restart`.
      bus.log("Not restarted; waiting for the next change.", "warn");
    }
  };
  const schedule = (): void => {
    timer = setTimeout(
      () => void look().then(() => bus.state === "started" && schedule()),
      options.intervalMs ?? 500,
    );
    timer.unref();
  };
  bus.subscribe("started", schedule, { name });
  bus.subscribe("stopping", () => clearTimeout(timer), { name });
  bus.subscribe("exited", forget, { name });
}

/** The files with the last known mark of each. */
class WatchedFiles {
  readonly #match: RegExp;
  readonly #marks = new Map<string, string | undefined>();

  constructor(match: RegExp) {
    this.#match = match;
  }

  addLoaded(path: string): void {
    if (this.#match.test(path)) this.add(path);
  }

  add(path: string): void {
    if (!this.#marks.has(path)) this.#marks.set(path, mark(path));
  }

  /** Returns the files whose marks changed since the last call, and records the new marks. */
  changed(): string[] {
    const changed: string[] = [];
    for (const [path, before] of this.#marks) {
      const now = mark(path);
      if (now === before) continue;
      this.#marks.set(path, now);
      changed.push(path);
    }
    return changed;
  }
}

/**
 * A text that changes with any change of a file: it includes ctime, because an edit of the same
 * size may restore the modification time. `undefined`: the file does not exist.
 */
function mark(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && [stat.mtimeNs, stat.ctimeNs, stat.size, stat.ino].join(" ");
}
