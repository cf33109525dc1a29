import { bootId, spanTime } from "./lock-clock.ts";
import { STATE } from "./states.ts";
import type { Store } from "./store.ts";

/**
 * Adapts the file to the running boot of the system, in a transaction.
 *
 * Locks of an earlier boot end, because their times are of a clock that started over. Windows of rate limits and
 * deduplications continue: they are stored as times of {@link spanTime} plus a base, which the first process of a boot
 * chooses so that the sum is the wall clock of that moment. Later steps of the wall clock do not move it. It never goes
 * back from one boot to the next, so a wall clock that is wrong after a start cannot keep a window open for years.
 */
export function adaptToBoot(store: Store): void {
  const boot = bootId();
  const [known, base] = store.tuple("SELECT boot, span_base FROM system") ?? [];
  const isOther = known !== boot;
  if (isOther || base === null) {
    store.spanBase = Math.max(Number(base ?? 0), Date.now() - spanTime());
    store.run("UPDATE system SET boot = ?, span_base = ?", boot, store.spanBase);
  } else store.spanBase = Number(base);
  if (isOther) endLocks(store);
}

function endLocks(store: Store): void {
  store.run("UPDATE queue SET stalled_check = 0");
  store.run(
    `UPDATE job SET locked_until = 0 WHERE key IN (
       SELECT job.key FROM queue JOIN job ON job.queue = queue.key AND job.state = ${STATE.active})`,
  );
}
