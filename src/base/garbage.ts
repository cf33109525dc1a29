/**
 * Collects all garbage of this process, and the compiled code that only its start needed: tens of milliseconds of
 * work, for megabytes of memory. Does nothing unless Node.js was started with `--expose-gc`.
 */
export function collectGarbage(): void {
  globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
}

/** How often the use of the processor is read, in milliseconds. */
const LOOK_MS = 5_000;
/** Less processor time than this in one interval means idle, in microseconds. */
const IDLE_US = 25_000;
/** The processor time after which a collection is worth its own, in microseconds. */
const WORTH_US = 100_000;

/** Collects all garbage whenever this process has worked and is idle again. Never keeps the process alive. */
export function collectWhenIdle(): void {
  let [collectedUs, beforeUs] = [-Infinity, usedUs()];
  setInterval(() => {
    const nowUs = usedUs();
    const isIdle = nowUs - beforeUs < IDLE_US;
    beforeUs = nowUs;
    if (!isIdle || nowUs - collectedUs < WORTH_US) return;
    collectGarbage();
    collectedUs = beforeUs = usedUs();
  }, LOOK_MS).unref();
}

function usedUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
