import { statSync } from "node:fs";
import { resolve } from "node:path";

import { sleep } from "../../base/timers.ts";
import type { Bus } from "../bus.ts";
import { watchLoadedFiles } from "../loaded-files.ts";

export interface AutoreloadOptions {
  /** How often the files are looked at, in milliseconds. Default 500. */
  readonly intervalMs?: number;
  /** Which of the loaded files count. Default: all outside node_modules. */
  readonly match?: RegExp;
  /** Further files, loaded or not, there or not yet: templates, settings. */
  readonly files?: readonly string[];
}

/** A save may come in several writes: it counts as over when nothing changed for this long, in milliseconds. */
const SETTLE_MS = 60;
const OUTSIDE_NODE_MODULES = /^(?!.*[/\\]node_modules[/\\])/;

/**
 * Restarts the program when one of its source files changes: any change, also an older time, the
 * same time with other content, a file renamed over it, gone, or come. Needs `reexec(bus)`, which
 * loads the new code in a child first: while that fails the old program goes on serving, and the
 * next change is tried again.
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
      // Why stands in the log, as the failure of the channel `restart`.
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

/** Files and what each looked like last. */
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

  /** Those that look different from last time, which counts as seen now. */
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
 * What changes with any change of a file: ctime too, since a same-sized edit may restore the
 * modification time. `undefined`: there is none.
 */
function mark(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && [stat.mtimeNs, stat.ctimeNs, stat.size, stat.ino].join(" ");
}
