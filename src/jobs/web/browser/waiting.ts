/**
 * Pauses of a page, which end early when the page is shown again, the machine is online again, or a tab is restored.
 */

const wakeups = new Set<() => void>();
let isStopped = false;

/** Whether the page is hidden: it then polls, and leaves the streams to visible tabs. */
export function isHidden(): boolean {
  return isStopped || document.hidden;
}

/** Calls `wake` whenever the page may have missed an event. @returns a function that ends this */
export function onWake(wake: () => void): () => void {
  wakeups.add(wake);
  return () => wakeups.delete(wake);
}

/** Resolves after a time, or at the next wake-up, or when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      forget();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    const forget = onWake(end);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}

function wakeAll(): void {
  for (const wake of wakeups) wake();
}

if (globalThis.document !== undefined) {
  document.addEventListener("visibilitychange", wakeAll);
  addEventListener("online", wakeAll);
  // A page in the back/forward cache must not hold a stream.
  addEventListener("pagehide", () => {
    isStopped = true;
    wakeAll();
  });
  addEventListener("pageshow", () => {
    isStopped = false;
    wakeAll();
  });
}
