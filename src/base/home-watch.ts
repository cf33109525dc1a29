import { statSync } from "node:fs";

const LOOK_MS = 5_000;

/** A daemon's lock on its home, as seen from the file system. */
export interface WatchedLock {
  /** Whether the file is still the locked one; otherwise it excludes no other daemon. */
  isWhole(): boolean;
  stop(): void;
}

/**
 * Watches the file of a daemon's lock.
 *
 * @param lost - called once when the file was removed or replaced: clients cannot reach this daemon any more
 */
export function watchLock(path: string, lost: () => void): WatchedLock {
  const held = statSync(path);
  const isWhole = (): boolean => {
    const now = statSync(path, { throwIfNoEntry: false });
    return now?.ino === held.ino && now.dev === held.dev;
  };
  const timer = setInterval(() => {
    if (isWhole()) return;
    clearInterval(timer);
    lost();
  }, LOOK_MS).unref();
  return { isWhole, stop: () => clearInterval(timer) };
}
