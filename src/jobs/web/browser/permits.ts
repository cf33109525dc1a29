/**
 * A browser opens six connections to a site over HTTP/1.1, for all its tabs. So all tabs of a site together have
 * a few permits for streams that stay open; the other bars poll.
 */

/** The number of permits of the site, shared by its tabs through Web Locks. */
const SITE = 3;
/** The number of permits of one page. */
const PAGE = 2;
/** The permits of a page without Web Locks, such as one without https, which cannot count the other tabs. */
const ALONE = 1;

let held = 0;

/** Takes a permit if one is free. @returns a function that releases it; `undefined` when none is free */
export async function takePermit(): Promise<(() => void) | undefined> {
  const { locks } = navigator;
  if (held >= (locks === undefined ? ALONE : PAGE)) return undefined;
  // The permit is taken before the first await, because several bars ask at the same time.
  held += 1;
  const release = locks === undefined ? () => undefined : await lockOne(locks);
  if (release === undefined) held -= 1;
  return release && once(() => ((held -= 1), release()));
}

async function lockOne(locks: LockManager): Promise<(() => void) | undefined> {
  for (let at = 0; at < SITE; at += 1) {
    const release = await tryLock(locks, `newel-jobs-${at}`);
    if (release !== undefined) return release;
  }
  return undefined;
}

function tryLock(locks: LockManager, name: string): Promise<(() => void) | undefined> {
  return new Promise((resolve) => {
    locks
      .request(name, { ifAvailable: true }, (lock) =>
        lock === null ? resolve(undefined) : new Promise<void>((release) => resolve(release)),
      )
      // A page with an opaque origin, such as a sandboxed frame, must not use locks.
      .catch(() => resolve(undefined));
  });
}

function once(release: () => void): () => void {
  let isReleased = false;
  return () => {
    if (!isReleased) release();
    isReleased = true;
  };
}
